package proxy

import (
	"context"
	"time"
)

// drainNotice is the least time between Leave and the end of idle connections. A client that keeps one busy may have
// its next request under way. It gets its response, and with that the notice that the connection ends. It is longer
// than a round trip to a client near enough to do so.
const drainNotice = 250 * time.Millisecond

// drainPeriod is how often connections that have become idle since are ended.
const drainPeriod = 100 * time.Millisecond

// Leave tells clients, with every response, that their connection closes, while new ones are still taken. So those
// that keep one busy have gone elsewhere before Drain. A second call does nothing.
func (s *Server) Leave() {
	if s.left.CompareAndSwap(0, s.engine.Now()) {
		s.engine.Leave()
		s.leave()
	}
}

// Drain ends the server's work with nothing lost. It stops accepting, tells clients with every response that their
// connection closes, and ends idle connections. Then it waits for the rest until ctx ends. Then it cuts what is left
// and returns how many connections that were.
func (s *Server) Drain(ctx context.Context) (cut int) {
	defer s.pipes.Close() // no connection is left then
	s.Leave()
	s.listeners.Close()
	idle := s.last()
	notice := time.NewTimer(time.Duration(s.left.Load() - s.engine.Now() + int64(drainNotice)))
	defer notice.Stop()
	t := time.NewTicker(drainPeriod)
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
			s.engine.CutOff()
			cut = s.cut()
			s.cancel()
			<-idle
			return cut
		}
	}
}
