//go:build !race

package l4_test

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
)

// A connection with messages both ways, and both of its sockets. (The race detector needs memory of its own.)
func TestFootprint(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	const n = 900
	s := testgateway.NewSockets(t)
	in, address := s.Listen(n)
	g := start(t, to([]string{address}, ""))
	message := make([]byte, 64)
	exchange := func() {
		client := s.Dial(g.addr("in"))
		s.Send(client, message)
		endpoint := s.Accept(in)
		for range 3 {
			s.Fill(endpoint, message)
			s.Send(endpoint, message)
			s.Fill(client, message)
			s.Send(client, message)
		}
		s.Fill(endpoint, message)
	}
	testgateway.Footprint{Heap: 3250, Goroutines: 2, Stack: 2048}.Measure(t, n, exchange, func(int) {})
}
