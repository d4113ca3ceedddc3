package l4_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// brokenRead, brokenWrite and brokenRaw are connections that bring out a bug of ours when they are used.
type (
	brokenRead  struct{ net.Conn }
	brokenWrite struct{ net.Conn }
	brokenRaw   struct {
		*net.TCPConn
		read bool
	}
	brokenRawConn struct {
		syscall.RawConn
		read bool
	}
)

func (brokenRead) Read([]byte) (int, error)   { panic("a bug of ours") }
func (brokenWrite) Write([]byte) (int, error) { panic("a bug of ours") }
func (c brokenRaw) SyscallConn() (syscall.RawConn, error) {
	r, err := c.TCPConn.SyscallConn()
	return brokenRawConn{r, c.read}, err
}

func (c brokenRawConn) Read(f func(uintptr) bool) error {
	if c.read {
		panic("a bug of ours")
	}
	return c.RawConn.Read(f)
}

func (c brokenRawConn) Write(f func(uintptr) bool) error {
	if !c.read {
		panic("a bug of ours")
	}
	return c.RawConn.Write(f)
}

// A panic ends one connection only, and gives back all that it had.
func TestPanicEndsOneConnection(t *testing.T) {
	for name, broken := range map[string]func(net.Conn) net.Conn{
		"connecting":        func(net.Conn) net.Conn { panic("a bug of ours") },
		"copying back":      func(c net.Conn) net.Conn { return brokenRead{c} },
		"copying there":     func(c net.Conn) net.Conn { return brokenWrite{c} },
		"back, by sockets":  func(c net.Conn) net.Conn { return brokenRaw{c.(*net.TCPConn), true} },
		"there, by sockets": func(c net.Conn) net.Conn { return brokenRaw{c.(*net.TCPConn), false} },
	} {
		t.Run(name, func(t *testing.T) {
			testserver.Goroutines(t)
			var log testserver.Log
			var breaks atomic.Bool
			dial := netio.Dialer(nil)
			g := start(t, to([]string{backend(t, echo)}, ""), func(o *l4.Options) {
				o.Logger = log.Logger()
				o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					c, err := dial(ctx, address)
					if err == nil && breaks.Swap(false) {
						defer func() {
							if p := recover(); p != nil {
								c.Close()
								panic(p)
							}
						}()
						c = broken(c)
					}
					return c, err
				}
			})
			other := g.dial("in")
			send(t, other, "before")
			expect(t, other, "before")
			breaks.Store(true)
			if victim, err := net.Dial("tcp", g.addr("in")); err == nil { // else it was reset meanwhile
				defer victim.Close()
				victim.SetDeadline(time.Now().Add(patience))
				n, err := 0, error(nil)
				if _, err = io.WriteString(victim, "hello"); err == nil { // else that has met the reset
					n, err = victim.Read(make([]byte, 1))
				}
				if n != 0 || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
					t.Errorf("the client read %d bytes and %v, want a reset", n, err)
				}
			}
			g.wantFlag(telemetry.LR)
			testserver.WaitFor(t, patience, "the connection to be gone", func() bool { return g.open("in") == 1 })
			testserver.WaitFor(t, patience, "its place to be back", func() bool { return g.Limit.Used() == 1 })
			if n := g.Clusters["out"].InFlight(); n != 1 {
				t.Errorf("%d leases are held, want 1", n)
			}
			if n := g.Registry.Panics.Count(telemetry.L4); n != 1 {
				t.Errorf("%d panics were counted, want 1", n)
			}
			for _, want := range []string{"BUG: panic in a connection", "a bug of ours", "l4.(*conn)"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log has no %q: %s", want, log.String())
				}
			}
			send(t, other, "after")
			expect(t, other, "after")
			next := g.dial("in")
			send(t, next, "next")
			expect(t, next, "next")
		})
	}
}
