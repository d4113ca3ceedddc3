package l4

import (
	"context"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Drain ends the server's work: it stops accepting and waits for the connections to end by themselves until ctx ends.
// Then it cuts what is left and returns how many connections that were.
func (s *Server) Drain(ctx context.Context) (cut int) {
	var closing sync.WaitGroup // at once: each takes a moment for what has connected already
	for _, l := range *s.listeners.Load() {
		closing.Go(l.ln.Close)
	}
	closing.Wait()
	idle := s.last()
	select {
	case <-idle:
	case <-ctx.Done():
		cut = s.cut()
	}
	s.cancel() // also what still connects
	<-idle
	<-s.watched
	s.pipes.close()
	return cut
}

// last gives what is closed when the last connection has ended. Nothing is accepted any more.
func (s *Server) last() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make(chan struct{})
	if s.open == 0 {
		close(idle)
	} else {
		s.idle = idle
	}
	return idle
}

// cut stops every connection that is left.
func (s *Server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.stop(telemetry.LR)
	}
	return len(s.live)
}
