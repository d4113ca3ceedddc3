package proxy

import (
	"context"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/proxy/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// shared2 is the set of HTTP/2 connections to one endpoint: few, since many streams share one. It lives in the endpoint's slot.
type shared2 struct {
	mu      sync.Mutex // guards what follows
	clients []*http2.Client
	opening *opening // nil: nobody connects
	plain   bool     // the last connection has agreed on HTTP/1.1
	closed  bool     // the endpoint is retired
}

// opening is a connection being made, for all who wait for it.
type opening struct {
	done chan struct{} // closed when err is set
	err  error
}

// shared returns the set in ep's slot, which it fills if it is empty. On a retired endpoint the set serves only who asked.
func shared(ep *cluster.Endpoint) *shared2 {
	if s, ok := ep.Shared().(*shared2); ok {
		return s
	}
	own := new(shared2)
	if s, ok := ep.Share(own).(*shared2); ok {
		return s
	}
	return own
}

// take returns a connection that has room for a stream, nil when there is none.
func (s *shared2) take() *http2.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.Free() > 0 {
			return c
		}
	}
	return nil
}

// open makes another connection, or waits for the one that somebody is making; after nil, take may have one. dial is not called with the lock
// held.
func (s *shared2) open(ctx context.Context, dial func() (*http2.Client, error)) error {
	s.mu.Lock()
	if o := s.opening; o != nil {
		s.mu.Unlock()
		select {
		case <-o.done:
			return o.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o := &opening{done: make(chan struct{})}
	s.opening = o
	s.mu.Unlock()
	c, err := dial()
	s.mu.Lock()
	if s.plain = err == nil && c == nil; c != nil {
		s.clients = append(s.clients, c)
		if s.closed {
			c.Shutdown()
		}
	}
	o.err, s.opening = err, nil
	s.mu.Unlock()
	close(o.done)
	return err
}

// expectsPlain tells that the endpoint does not speak HTTP/2, as far as is known: then nobody need wait for another's connection.
func (s *shared2) expectsPlain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain
}

// add takes a connection that was made without open.
func (s *shared2) add(c *http2.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plain = false
	s.clients = append(s.clients, c)
	if s.closed {
		c.Shutdown()
	}
}

// drop forgets a connection that is over.
func (s *shared2) drop(c *http2.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.clients {
		if have == c {
			s.clients = append(s.clients[:i], s.clients[i+1:]...)
			return
		}
	}
}

// Close lets what is in flight finish and takes nothing new.
func (s *shared2) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.clients {
		c.Shutdown()
	}
	return nil
}
