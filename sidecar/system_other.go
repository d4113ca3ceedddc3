//go:build !unix

package sidecar

import "time"

func fdLimit() (int64, bool) { return 0, false }

func openDescriptors() int64 { return 0 }

func processorTime() (time.Duration, bool) { return 0, false }
