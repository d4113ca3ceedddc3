package sidecar

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// adminClients keeps a place free on the admin port. When all are taken, the connection goes that has waited longest
// without a request in hand. So who holds connections and asks nothing keeps no probe out.
type adminClients struct {
	mu sync.Mutex
	// +checklocks:mu
	open int
	// +checklocks:mu
	idle map[net.Conn]time.Time // those without a request in hand, since when
}

// adminClient is the key of a request's connection in its context.
type adminClient struct{}

// attach has c told of the connections of s and of their requests.
func (c *adminClients) attach(s *http.Server) {
	c.idle = map[net.Conn]time.Time{} // +checklocksignore: nobody else has it yet
	s.ConnState = c.state
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, adminClient{}, nc)
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _ := r.Context().Value(adminClient{}).(net.Conn)
		c.begin(nc)
		defer c.end(nc)
		next.ServeHTTP(w, r)
	})
}

// state is for http.Server.ConnState. A request's head that is not whole is no request.
func (c *adminClients) state(nc net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.open++
		c.idle[nc] = time.Now()
		c.makeRoom()
	case http.StateClosed, http.StateHijacked:
		c.open--
		delete(c.idle, nc)
	}
}

func (c *adminClients) begin(nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.idle, nc)
}

func (c *adminClients) end(nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle[nc] = time.Now()
	c.makeRoom()
}

// makeRoom closes the connection that has been idle for longest, if there is no place left.
//
// +checklocks:c.mu
func (c *adminClients) makeRoom() {
	if c.open < adminConnections || len(c.idle) < 2 { // the only one has just come, or is about to get its response
		return
	}
	var oldest net.Conn
	for nc, since := range c.idle {
		if oldest == nil || since.Before(c.idle[oldest]) {
			oldest = nc
		}
	}
	delete(c.idle, oldest) // StateClosed is told by its goroutine
	_ = oldest.Close()
}
