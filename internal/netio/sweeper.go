package netio

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

	wake     chan struct{} // holds one token when the first connection came while Run was resting
	wakeKeep chan struct{} // holds one token when the set of the parked ones has been made

	mu sync.Mutex // guards also what every Conn says it does
	// +checklocks:mu
	awake list
	// +checklocks:mu
	parked parkedSet
}

// NewSweeper returns a sweeper that sees nothing until Run is called.
func NewSweeper() *Sweeper {
	return &Sweeper{start: time.Now(), wake: make(chan struct{}, 1), wakeKeep: make(chan struct{}, 1)}
}

// Now is the clock that deadlines are given on: nanoseconds since the sweeper was made, monotonic, never 0 or negative.
func (s *Sweeper) Now() int64 { return int64(time.Since(s.start)) + 1 }

// Time converts a moment of Now to wall-clock time.
func (s *Sweeper) Time(at int64) time.Time { return s.start.Add(time.Duration(at)) }

// Len is the number of open connections under its care.
func (s *Sweeper) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.awake.count + s.parked.count
}

// Run looks after the connections until ctx ends. Without connections that are awake it rests.
func (s *Sweeper) Run(ctx context.Context) {
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keep(ctx) })
	defer keeper.Wait()
	Every(ctx, Period, s.wake, s.sweep)
}

// sweep wakes every reader and writer whose moment has passed, and reports how many connections are awake.
func (s *Sweeper) sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	for c := s.awake.head; c != nil; c = c.next {
		if at := c.readAt.Load(); at > 0 && at <= now && c.readAt.CompareAndSwap(at, -at) {
			_ = c.Conn.SetReadDeadline(past) // a closed connection needs no waking
		}
		if at := c.writeAt.Load(); at > 0 && at <= now && c.writeAt.CompareAndSwap(at, -at) {
			_ = c.Conn.SetWriteDeadline(past)
		}
	}
	return s.awake.count
}

// await returns when whatever sweep was doing when it was called has been done.
func (s *Sweeper) await() {
	s.mu.Lock()
	s.mu.Unlock() //nolint:staticcheck // the empty section is a barrier
}

func (s *Sweeper) add(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rouse(c)
}

// rouse lists c, which is nowhere, among those that are awake.
//
// +checklocks:s.mu
func (s *Sweeper) rouse(c *Conn) {
	s.awake.push(c)
	c.place = inList
	if s.awake.count == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// remove ends the care for c. If it was parked, the result is who must be told.
func (s *Sweeper) remove(c *Conn) (owner Resumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.place {
	case inList:
		s.awake.drop(c)
	case inParked:
		owner = s.leave(c)
	}
	c.place = nowhere
	return owner
}

// place is where a connection is.
type place uint8

const (
	nowhere  place = iota // closed or released
	inList                // awake: a goroutine serves it
	inParked              // parked
)

// list is connections, linked through their own next and prev.
type list struct {
	head  *Conn
	count int
}

func (l *list) push(c *Conn) {
	c.next = l.head
	if l.head != nil {
		l.head.prev = c
	}
	l.head = c
	l.count++
}

func (l *list) drop(c *Conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	l.count--
}
