package sock

import (
	"context"
	"sync"
	"time"
)

// Period is how often the sweeper looks, and so how late a deadline may be.
const Period = 25 * time.Millisecond

// past is the deadline that wakes a waiting goroutine at once.
var past = time.Unix(1, 0)

// Sweeper keeps the deadlines of all connections. One per process is meant, owned by whoever calls Run.
type Sweeper struct {
	start time.Time

	mu    sync.Mutex // guards head, count and the links of every listed Conn
	head  *Conn
	count int
	wake  chan struct{} // holds one token when the first connection came while Run was resting
}

// NewSweeper returns a sweeper that sees nothing until Run is called.
func NewSweeper() *Sweeper {
	return &Sweeper{start: time.Now(), wake: make(chan struct{}, 1)}
}

// Now is the clock that deadlines are given on: nanoseconds since the sweeper was made, monotonic, never 0 or negative.
func (s *Sweeper) Now() int64 { return int64(time.Since(s.start)) + 1 }

// Time converts a moment of Now to wall-clock time.
func (s *Sweeper) Time(at int64) time.Time { return s.start.Add(time.Duration(at)) }

// Len is the number of open connections under its care.
func (s *Sweeper) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Run looks after the connections until ctx ends. Without connections it rests.
func (s *Sweeper) Run(ctx context.Context) {
	t := time.NewTicker(Period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if s.sweep() > 0 {
			continue
		}
		t.Stop()
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		t.Reset(Period)
	}
}

// sweep wakes every reader and writer whose moment has passed, and reports how many connections there are.
func (s *Sweeper) sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	for c := s.head; c != nil; c = c.next {
		if at := c.readAt.Load(); at > 0 && at <= now && c.readAt.CompareAndSwap(at, -at) {
			_ = c.Conn.SetReadDeadline(past) // a closed connection needs no waking
		}
		if at := c.writeAt.Load(); at > 0 && at <= now && c.writeAt.CompareAndSwap(at, -at) {
			_ = c.Conn.SetWriteDeadline(past)
		}
	}
	return s.count
}

// settle returns when whatever sweep was doing when it was called has been done.
func (s *Sweeper) settle() {
	s.mu.Lock()
	s.mu.Unlock() //nolint:staticcheck // the empty section is a barrier
}

func (s *Sweeper) add(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.next, c.listed = s.head, true
	if s.head != nil {
		s.head.prev = c
	}
	s.head = c
	s.count++
	if s.count == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func (s *Sweeper) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.listed {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev, c.listed = nil, nil, false
	s.count--
}
