package cluster

import (
	"sync/atomic"
	"time"
)

// clock is the time since the set was made. It is monotonic, and coarse where the hot path reads it (an atomic load
// instead of 40 ns for time.Now).
type clock struct {
	start time.Time
	last  atomic.Int64 // the coarse time, written by each Tick
}

func newClock() *clock { return &clock{start: time.Now()} }

// now is exact; for what happens seldom.
func (c *clock) now() time.Duration { return time.Since(c.start) }

// coarse is late by at most one period of Run.
func (c *clock) coarse() time.Duration { return time.Duration(c.last.Load()) }

func (c *clock) tick() time.Duration {
	now := c.now()
	c.last.Store(int64(now))
	return now
}

// wall gives a moment of the clock as the time of day.
func (c *clock) wall(at time.Duration) time.Time { return c.start.Add(at) }
