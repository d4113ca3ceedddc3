//go:build !race

package proxy_test

import (
	"context"
	"net"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// Under the race detector pools forget on purpose, so what measures allocations is not for it.

// allocations is how many one call of f, which asks g, makes in the whole process. How busy the machine is must not
// count: g is [unswept], and what it keeps of recent requests, one in 20 ms, is left out.
func (g *gateway) allocations(f func()) float64 { return allocations(g.kept, f) }

// allocations is how many one call of f makes in the whole process once everything is warm, less what kept grows by
// meanwhile. No collection empties the pools, and with one processor whoever puts an object into a pool and whoever
// needs it next share the pool.
func allocations(kept func() int, f func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 500 {
		f()
	}
	const n = 2000
	began := kept()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return (float64(after.Mallocs-before.Mallocs) - float64(kept()-began)) / n
}

// kept is how many recent requests g keeps, with one allocation for each.
func (g *gateway) kept() int {
	plan, _, err := g.prepare(g.document)
	if err != nil {
		g.t.Fatal(err)
	}
	defer plan.Abort()
	return plan.Replay().Requests
}

// stray is what the runtime itself may allocate while a request is carried: for a thread that it starts, say.
const stray = 0.05

// unswept gives the gateway a sweeper that never looks: no time passes for its connections. Otherwise a machine that is
// busy for long enough has requests parked, or the sockets of clients polled.
func unswept(o *proxy.Options) { o.Sweeper = netio.NewSweeper() }

// promptEndpoint answers each request of HTTP/1.1 with the same bytes, before whoever has sent it comes back from a
// yield. It takes one connection. dial is how the gateway is to connect to it. It allocates nothing while it runs.
func promptEndpoint(t testing.TB, answer string) (address string, dial func(*proxy.Options)) {
	t.Helper()
	alone(t)
	written := make(chan struct{}, 1)
	ln := testserver.Listen(t)
	address = ln.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		out, in := []byte(answer), make([]byte, 64<<10)
		for range written {
			if _, err := c.Read(in); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(written)
		ln.Close()
		<-ended
	})
	return address, func(o *proxy.Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			return promptConn{c.(*net.TCPConn), written}, nil
		}
	}
}

// promptConn is a connection whose peer is made to run by each write.
type promptConn struct {
	*net.TCPConn
	written chan<- struct{}
}

func (c promptConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return promptRaw{raw, c.written}, err
}

type promptRaw struct {
	syscall.RawConn
	written chan<- struct{}
}

func (r promptRaw) Write(f func(uintptr) bool) error {
	err := r.RawConn.Write(f)
	r.written <- struct{}{}
	return err
}
