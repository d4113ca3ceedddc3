package telemetry

import "sync/atomic"

// Counter only grows. It fills a cache line of its own, so that two cores that
// count different things never fight over one line. The zero value is ready;
// every method is safe from any goroutine and never blocks.
type Counter struct {
	n atomic.Int64
	_ [56]byte
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n, which must not be negative: collectors take a counter that goes
// back for a restart of the process.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Load is the count since the process began.
func (c *Counter) Load() int64 { return c.n.Load() }

// UpDown is a level, such as the connections open now. Like Counter it has a
// cache line to itself and a ready zero value. Whoever calls Inc owes a Dec.
type UpDown struct {
	n atomic.Int64
	_ [56]byte
}

// Inc raises the level by one.
func (u *UpDown) Inc() { u.n.Add(1) }

// Dec lowers the level by one.
func (u *UpDown) Dec() { u.n.Add(-1) }

// Load is the level now.
func (u *UpDown) Load() int64 { return u.n.Load() }
