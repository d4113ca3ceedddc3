package sidecar

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// adminClients keeps a place free on the admin port. When all are taken, the connection goes that has waited longest
// without a request in hand. Those that have had a response go first: another one may have come a moment ago. So who
// holds connections and asks nothing keeps no probe out.
type adminClients struct {
	mu sync.Mutex
	// +checklocks:mu
	open map[net.Conn]adminClient
}

// adminClient is what is known of an open connection.
type adminClient struct {
	state adminState
	since time.Time
}

// adminState is what a connection waits for. Those that come first make room first.
type adminState uint8

const (
	adminServed adminState = iota // it has had a response, and no other request is whole
	adminCame                     // its first request is not whole
	adminAsked                    // a request is in hand, until its response is written
)

// before tells whether it makes room before other.
func (a adminClient) before(other adminClient) bool {
	if a.state != other.state {
		return a.state < other.state
	}
	return a.since.Before(other.since)
}

// adminConn is the key of a request's connection in its context.
type adminConn struct{}

// attach has c told of the connections of s and of their requests.
func (c *adminClients) attach(s *http.Server) {
	c.open = map[net.Conn]adminClient{} // +checklocksignore: nobody else has it yet
	s.ConnState = c.changed
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, adminConn{}, nc)
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _ := r.Context().Value(adminConn{}).(net.Conn)
		c.asked(nc)
		next.ServeHTTP(w, r)
	})
}

// changed is for http.Server.ConnState.
func (c *adminClients) changed(nc net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.open[nc] = adminClient{adminCame, time.Now()}
		c.makeRoom()
	case http.StateIdle:
		if _, open := c.open[nc]; open {
			c.open[nc] = adminClient{adminServed, time.Now()}
			c.makeRoom()
		}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, nc)
	}
}

// asked says that a request is whole.
func (c *adminClients) asked(nc net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.open[nc]; open {
		c.open[nc] = adminClient{adminAsked, time.Now()}
	}
}

// makeRoom closes a connection, if there is no place left. It leaves the only one that may go: that has just come.
//
// +checklocks:c.mu
func (c *adminClients) makeRoom() {
	if len(c.open) < adminConnections {
		return
	}
	var first net.Conn
	mayGo := 0
	for nc, client := range c.open {
		if client.state == adminAsked {
			continue
		}
		if mayGo++; first == nil || client.before(c.open[first]) {
			first = nc
		}
	}
	if mayGo > 1 {
		delete(c.open, first)
		_ = first.Close()
	}
}
