//go:build !linux

package netio

import (
	"errors"
	"time"
)

// pollSet is not built for this system: connections wait in goroutines.
type pollSet struct{}

func newPollSet() (*pollSet, error) { return nil, errors.ErrUnsupported }

func (p *pollSet) arm(int, uint32, bool) bool             { return false }
func (p *pollSet) wait(func(fd int, ticket uint32)) error { return errors.ErrUnsupported }
func (p *pollSet) until(time.Time)                        {}
func (p *pollSet) close()                                 {}
