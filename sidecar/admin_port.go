package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// adminPort is the admin server with the goroutine that runs it.
type adminPort struct {
	server *Admin
	done   chan error
}

// listenAdmin binds the admin port; nil: there is to be none.
func (s *Sidecar) listenAdmin() (net.Listener, error) {
	if s.boot.AdminListen == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", s.boot.AdminListen)
	if err != nil {
		return nil, startError(fmt.Errorf("GATEWAY_ADMIN_LISTEN: %w", err), err)
	}
	return ln, nil
}

// serveAdmin serves the admin port, if there is to be one. metrics answers scrapes; it may be nil.
func (s *Sidecar) serveAdmin(ln net.Listener, metrics http.Handler) *adminPort {
	if ln == nil {
		return nil
	}
	view := s.view()
	view.Metrics = metrics
	a := &adminPort{
		server: NewAdmin(view, AdminOptions{Listen: s.boot.AdminListen, Pprof: s.boot.Pprof, Logger: s.logger}),
		done:   make(chan error, 1),
	}
	go func() { a.done <- a.server.Serve(ln) }() // ends with close
	return a
}

// adminClose is how long a response of the admin port may take at the end.
const adminClose = time.Second

// close ends the admin port; ctx may be over.
func (a *adminPort) close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminClose)
	defer cancel()
	return errors.Join(a.server.Shutdown(ctx), <-a.done)
}
