//go:build !linux

package netio

import (
	"net"
	"time"
)

// arrivals is not built for this system: an accept waits for the connection, and holds its place meanwhile.
type arrivals struct{}

func watchArrivals(net.Listener) *arrivals { return nil }

func (a *arrivals) wait() error           { return nil }
func (a *arrivals) setDeadline(time.Time) {}
func (a *arrivals) close()                {}
