package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// h2Lease finds a place for one request on an HTTP/2 connection to an endpoint, or makes the connection.
type h2Lease struct {
	*Engine
	up  *route.Upstream
	ep  *cluster.Endpoint
	set *h2Pool // of ep
}

// take is Engine.lease for clusters whose endpoints speak, or may speak, HTTP/2. A fresh connection is never needed:
// one that is going away has no room.
func (l h2Lease) take(fresh bool, within time.Duration) (upstream, error) {
	if c := l.set.take(); c != nil {
		return newUpstreamH2(c, true), nil
	}
	if !fresh {
		if c := l.ep.Take(); c != nil {
			return reuse(c), nil
		}
	}
	if l.set.expectsPlain() {
		return l.alone(within)
	}
	return l.wait(within)
}

// wait waits for a place on a connection, which may have to be made.
func (l h2Lease) wait(within time.Duration) (upstream, error) {
	limit := l.Now() + int64(within)
	t := time.NewTimer(within)
	defer t.Stop()
	w := &h2Waiter{called: make(chan struct{}, 1)}
	for again := false; ; again = true {
		c, err := l.set.join(w, again, l.Now(), l.open)
		switch {
		case err != nil:
			return nil, l.told(err)
		case c != nil:
			return newUpstreamH2(c, l.set.trusts(c)), nil
		}
		select {
		case <-w.called:
		case <-t.C:
			return l.tooLate(w)
		case <-l.ctx.Done():
			return l.tooLate(w)
		}
		switch {
		case w.plain != nil || w.err != nil:
			return w.plain, w.err
		case l.set.expectsPlain():
			return l.alone(time.Duration(limit - l.Now()))
		}
	}
}

// tooLate ends the wait of w, and counts it where one of the limits was in the way. These are the endpoint's limit of
// streams and the cluster's of connections.
func (l h2Lease) tooLate(w *h2Waiter) (upstream, error) {
	u, err := l.set.leave(w)
	if errors.Is(err, cluster.ErrOverflow) {
		l.up.Cluster.Telemetry().Overflow.Inc()
	}
	return u, l.told(err)
}

// told tells the operator, once, of an endpoint that turns connections away. It returns err.
func (l h2Lease) told(err error) error {
	if errors.Is(err, errTurnedAway) && l.ep.Explain(err.Error()) {
		l.Logger.Warn("endpoint failed", "cluster", l.up.Cluster.Name(), "address", l.ep.Address(), "error", err)
	}
	return err
}

// open makes a connection for those who wait in line. It belongs to none of them: how long one of them can wait is
// nothing to the others.
func (l h2Lease) open() {
	var c *http2.Client
	var plain upstream
	err := errPanicked
	defer func() {
		if p := recover(); p != nil {
			l.Panicked(p, debug.Stack())
		}
		l.set.opened(c, plain, err, l.Now())
	}()
	if stopped := l.pause(); stopped != nil {
		err = stopped
		return
	}
	c, plain, err = l.connect(l.up.Connect, l.set.connects)
}

// pause waits until the endpoint may be connected to again that has turned connections away.
func (l h2Lease) pause() error {
	for {
		wait := l.set.pause(l.Now())
		if wait == 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
			return errTurnedAway
		}
	}
}

var (
	errPanicked    error = &netio.ConnectError{Err: errors.New("panic")}
	errSlowConnect error = &netio.ConnectError{Err: context.DeadlineExceeded}
	errUnwanted          = errors.New("connect: nobody waits for it")
	// errNoStream: an endpoint that is connected to had no stream left in time. Another endpoint may have one.
	errNoStream = fmt.Errorf("no stream at the endpoint in time: %w", cluster.ErrOverflow)
)

// alone makes a connection for one request, or waits for one that is put back: the endpoint is not expected to
// speak HTTP/2.
func (l h2Lease) alone(within time.Duration) (upstream, error) {
	c, plain, err := l.connect(within, func() bool { return true })
	if plain != nil || err != nil {
		return plain, err
	}
	l.set.adopt(c, l.Now())
	return l.wait(within)
}

// connect makes a connection, or waits for one that is put back, and returns what it speaks. begin is asked in
// front of connecting whether it is still wanted.
func (l h2Lease) connect(within time.Duration, begin func() bool) (*http2.Client, upstream, error) {
	idle, slot, err := l.reserve(l.up, l.ep, true, within)
	switch {
	case err != nil:
		return nil, nil, err
	case idle != nil:
		return nil, idle, nil
	}
	if !begin() {
		slot.Release()
		return nil, nil, errUnwanted
	}
	nc, err := l.Engine.connect(l.up, l.ep, slot, within)
	if err != nil {
		return nil, nil, err
	}
	if l.up.Protocol == config.ProtocolAuto && !mtls.HTTP2(nc) {
		return nil, newUpstreamH1(l.Engine, nc, slot), nil
	}
	return l.newClient(nc, slot), nil, nil
}

// newClient makes an HTTP/2 connection of nc. A goroutine sees to its end: it gives the slot back.
func (l h2Lease) newClient(nc net.Conn, slot *cluster.Slot) *http2.Client {
	o := l.H2Options(l.Table())
	o.IdleTimeout = l.up.Cluster.Config().Keepalive.IdleTimeout
	o.PingInterval = pingInterval
	o.Room = l.set.room
	c := http2.NewClient(netio.New(nc, l.Sweeper, l.WriteTimeout()), o)
	go func() { // ends with the connection
		<-c.Done()
		l.set.drop(c, l.Now())
		slot.Release()
	}()
	return c
}

// pingInterval is the silence on an upstream connection with streams after which it is asked whether it is there.
// Servers of gRPC end a connection on which PINGs come more often than every 5 minutes, unless they were told
// otherwise. Half a minute is for the network. A host that is gone is noticed sooner than that by the kernel, whose
// keep-alive Dialer asks for. The PING is for a process that hangs.
const pingInterval = 5*time.Minute + 30*time.Second
