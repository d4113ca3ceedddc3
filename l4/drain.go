package l4

import "context"

// Drain ends the server's work: it stops accepting and waits for the connections to end by themselves until ctx ends.
// Then it cuts what is left and returns how many connections that were.
func (s *Server) Drain(ctx context.Context) (cut int) {
	s.listeners.Close()
	idle := s.last()
	select {
	case <-idle:
	case <-ctx.Done():
		cut = s.cut()
	}
	s.cancel() // also what still connects
	<-idle
	<-s.watched
	s.pipes.Close()
	return cut
}
