package proxy

import (
	"context"
	"time"
)

// Drain ends the server's work with nothing lost: it stops accepting, tells clients with every answer that their connection closes, ends
// idle connections, and waits for the rest until ctx ends. Then it cuts what is left and returns how many connections that were.
func (s *Server) Drain(ctx context.Context) (cut int) {
	s.mu.Lock()
	s.draining.Store(true)
	idle := make(chan struct{})
	if len(s.live) == 0 {
		close(idle)
	} else {
		s.idle = idle
	}
	s.mu.Unlock()
	for _, l := range *s.listeners.Load() {
		l.close()
	}
	s.nudge()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-idle:
			s.cancel()
			return 0
		case <-t.C:
			s.nudge() // a connection that became idle in the same moment
		case <-ctx.Done():
			cut = s.cut()
			s.cancel()
			<-idle
			return cut
		}
	}
}

// nudge tells every connection that it is to end.
func (s *Server) nudge() {
	s.mu.Lock()
	for c := range s.live {
		c.drain()
	}
	roused := s.roused
	s.roused = nil
	s.mu.Unlock()
	for _, c := range roused { // one by one: a goroutine for each of them would need a lot of memory at once
		c.end(false)
	}
}

// cut closes every connection that is left.
func (s *Server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.cut()
	}
	return len(s.live)
}
