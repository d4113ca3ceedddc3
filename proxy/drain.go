package proxy

import (
	"context"
	"time"
)

// drainNotice is the least time between Leave and the end of idle connections: a client that keeps one busy, whose next
// request is under way, gets its response, and with that the notice that the connection ends. It is longer than a round
// trip to a client near enough to do so.
const drainNotice = 250 * time.Millisecond

// Leave tells clients, with every answer, that their connection closes, while new ones are still taken: so those that
// keep one busy have gone elsewhere before Drain. A second call does nothing.
func (s *Server) Leave() {
	if !s.left.CompareAndSwap(0, s.engine.Now()) {
		return
	}
	s.engine.Leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.leave()
	}
}

// Drain ends the server's work with nothing lost: it stops accepting, tells clients with every answer that their
// connection closes, ends idle connections, and waits for the rest until ctx ends. Then it cuts what is left and
// returns how many connections that were.
func (s *Server) Drain(ctx context.Context) (cut int) {
	s.Leave()
	for _, l := range *s.listeners.Load() {
		l.ln.Close()
	}
	idle := s.last()
	notice := time.NewTimer(time.Duration(s.left.Load() - s.engine.Now() + int64(drainNotice)))
	defer notice.Stop()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-idle:
			s.cancel()
			return 0
		case <-notice.C:
			s.draining.Store(true)
			s.drainAll()
		case <-t.C:
			if s.draining.Load() {
				s.drainAll() // a connection that became idle in the same moment
			}
		case <-ctx.Done():
			cut = s.cut()
			s.cancel()
			<-idle
			return cut
		}
	}
}

// last gives what is closed when the last connection has ended. Nothing is accepted any more.
func (s *Server) last() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make(chan struct{})
	if s.over = len(s.live) == 0; s.over {
		close(idle)
	} else {
		s.idle = idle
	}
	return idle
}

// drainAll tells every connection that it is to end.
func (s *Server) drainAll() {
	s.mu.Lock()
	for c := range s.live {
		c.drain()
	}
	roused := s.roused
	s.roused = nil
	s.mu.Unlock()
	for _, c := range roused { // one by one: a goroutine for each of them would need a lot of memory at once
		if c.Conn.Quiet() {
			c.end(false)
		} else {
			go c.Resume() // a request has come in the same moment
		}
	}
}

// cut closes every connection that is left.
func (s *Server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for c := range s.live {
		c.cut()
	}
	return len(s.live)
}
