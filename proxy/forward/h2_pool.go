package forward

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// h2Pool is the set of HTTP/2 connections to one endpoint: few, since many streams share one. It lives in the
// endpoint's slot. Requests that find no place on them stand in line, while one more connection is made.
type h2Pool struct {
	mu      sync.Mutex // guards what follows, and the waiters in line; taken before a connection's
	clients []*http2.Client
	line    []*h2Waiter // first come, first served
	opening openingState
	turned  turnedAway
	newest  *http2.Client // the one that was made last; nil: it is no more, or none was made
	plain   bool          // the last connection has agreed on HTTP/1.1
	closed  bool          // the endpoint is retired
}

// openingState is how far the connection has come that is being made.
type openingState uint8

const (
	notOpening openingState = iota
	pausing                 // the endpoint has turned the ones before it away
	wantsSlot               // limits.max_connections is in the way
	connecting
)

// h2Waiter is a request in line. Once it is called it is in the line no more, and its fields are its own.
type h2Waiter struct {
	called chan struct{} // holds one
	plain  upstream      // a connection of HTTP/1.1, which is what came of connecting
	err    error         // no connection could be made
	before int           // how many connections had turned away when it came
	full   bool          // nor can it, as long as those that there are last: it waits for a place on one of them
}

// h2PoolOf returns the set in ep's slot, which it fills if it is empty. On a retired endpoint the set serves only who
// asked.
func h2PoolOf(ep *cluster.Endpoint) *h2Pool {
	if s, ok := ep.Shared().(*h2Pool); ok {
		return s
	}
	own := new(h2Pool)
	if s, ok := ep.Share(own).(*h2Pool); ok {
		return s
	}
	return own
}

// ReserveH2 reserves a place for a stream on one of the HTTP/2 connections to ep, if one has room and nobody waits for
// it. Else it returns nil.
func ReserveH2(ep *cluster.Endpoint) *http2.Client {
	set, ok := ep.Shared().(*h2Pool)
	if !ok {
		return nil
	}
	return set.take()
}

// take reserves a place for a stream on one of the connections, and returns nil where there is none, or others wait
// for it.
func (s *h2Pool) take() *http2.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) > 0 {
		return nil
	}
	return s.reserve()
}

func (s *h2Pool) reserve() *http2.Client {
	for _, c := range s.clients {
		if c.Reserve() {
			return c
		}
	}
	return nil
}

// join is take for who can wait. Where there is no place yet, w is in line afterwards, and called when there may be
// one. One that was called and comes again is the first in line, unless it has seen enough connections turn away. Then
// it gets errTurnedAway. open is started, in a goroutine, if another connection is to be made. It ends with opened.
func (s *h2Pool) join(w *h2Waiter, again bool, now int64, open func()) (*http2.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(now)
	if !again {
		w.before = s.turned.all
	}
	if again || len(s.line) == 0 {
		if c := s.reserve(); c != nil {
			s.call() // there may be another place
			return c, nil
		}
	}
	if again && s.turned.enough(w.before) {
		s.call()
		return nil, errTurnedAway
	}
	at := len(s.line)
	if again {
		at = 0
	}
	s.line = slices.Insert(s.line, at, w)
	if s.opening == notOpening && !w.full && !s.limitUnknown() &&
		!slices.ContainsFunc(s.clients, (*http2.Client).Closed) {
		s.opening = pausing
		go open()
	}
	return nil, nil //nolint:nilnil // w is in line
}

// settle forgets the connections that take no more streams, and notes those that turned away.
func (s *h2Pool) settle(now int64) {
	if s.newest != nil && s.newest.Responded() {
		s.turned.inARow = 0
	}
	s.clients = slices.DeleteFunc(s.clients, func(c *http2.Client) bool {
		if !c.TurnedAway() {
			return false
		}
		s.turned.note(now)
		return true
	})
}

// trusts tells whether a request that fails on c is worth another connection at once. It is not if no response has come
// on c, nor on several connections before it.
func (s *h2Pool) trusts(c *http2.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turned.inARow < patientTurns || c.Responded()
}

// pause is how long to wait before the connection is made that was begun.
func (s *h2Pool) pause(now int64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.turned.wait(now)
	if wait == 0 {
		s.opening = wantsSlot
	}
	return wait
}

// limitUnknown tells whether there is a connection whose limit of streams is not known yet: it may have room for all.
func (s *h2Pool) limitUnknown() bool {
	return slices.ContainsFunc(s.clients, func(c *http2.Client) bool { return !c.LimitKnown() })
}

// call calls the first in line. Whoever is called and takes a place, or does not want one any more, calls the next.
// Called with the lock held.
func (s *h2Pool) call() {
	if len(s.line) == 0 {
		return
	}
	w := s.line[0]
	s.line = slices.Delete(s.line, 0, 1)
	w.called <- struct{}{}
}

func (s *h2Pool) callAll() {
	for len(s.line) > 0 {
		s.call()
	}
}

// leave takes w out of the line, because its time is up, and says why there was nothing for it. Or it gives w what
// came in the same moment.
func (s *h2Pool) leave(w *h2Waiter) (upstream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.line, w); i >= 0 {
		s.line = slices.Delete(s.line, i, i+1)
	} else if w.plain != nil || w.err != nil {
		return w.plain, w.err
	} else {
		s.call()
	}
	if s.opening == pausing {
		return nil, errTurnedAway
	}
	if s.opening == connecting || s.limitUnknown() {
		return nil, errSlowConnect
	}
	if len(s.clients) > 0 {
		return nil, errNoStream
	}
	return nil, cluster.ErrOverflow
}

// connects notes that there is a slot for the connection that is being made. It returns false if nobody wants it any
// more, and whoever comes next asks anew.
func (s *h2Pool) connects() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) == 0 {
		s.opening = notOpening
		return false
	}
	s.opening = connecting
	return true
}

// opened says what came of making a connection, to all who wait for it.
func (s *h2Pool) opened(c *http2.Client, plain upstream, err error, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, errUnwanted) {
		return // connects has seen to it
	}
	s.opening = notOpening
	switch {
	case c != nil:
		s.add(c, now)
		s.call()
	case plain != nil:
		s.plain = true
		if len(s.line) > 0 {
			s.line[0].plain = plain
		} else {
			_ = plain.Close() // nobody wants it any more
		}
		s.callAll() // each of the others makes its own
	case errors.Is(err, cluster.ErrOverflow) && len(s.clients) > 0:
		for _, w := range s.line {
			w.full = true
		}
	default:
		for _, w := range s.line {
			w.err = err
		}
		s.callAll()
	}
}

// room is told by a connection that had none that there is some.
func (s *h2Pool) room() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call()
}

// expectsPlain tells that the endpoint does not speak HTTP/2, as far as is known: then nobody need wait for another's
// connection.
func (s *h2Pool) expectsPlain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain
}

// adopt takes a connection that was made without open.
func (s *h2Pool) adopt(c *http2.Client, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(c, now)
}

// add takes a connection. That of a retired endpoint is for those in line, and ends when it is idle. Called with the
// lock held.
func (s *h2Pool) add(c *http2.Client, now int64) {
	s.plain, s.newest = false, c
	select {
	case <-c.Done(): // drop may have come before
		s.ended(c, now)
		return
	default:
	}
	s.clients = append(s.clients, c)
	if s.closed && len(s.line) == 0 {
		go c.Shutdown() // not here: it may call room
	}
}

// drop forgets a connection that is over. Who waits for a place may make another.
func (s *h2Pool) drop(c *http2.Client, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.clients, c); i >= 0 {
		s.clients = slices.Delete(s.clients, i, i+1)
		s.ended(c, now)
	}
	for _, w := range s.line {
		w.full = false
	}
	s.call()
}

// ended notes whether a connection that is over has turned away. Called with the lock held.
func (s *h2Pool) ended(c *http2.Client, now int64) {
	if c == s.newest {
		s.newest = nil
		if c.Responded() {
			s.turned.inARow = 0
		}
	}
	if c.TurnedAway() {
		s.turned.note(now)
	}
}

// Close lets what is in flight finish and takes nothing new.
func (s *h2Pool) Close() error {
	s.mu.Lock()
	s.closed = true
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		c.Shutdown()
	}
	return nil
}
