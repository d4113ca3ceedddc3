package l4_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// wire is a listener and a dialler in memory, so that the time of a test can be synctest's.
type wire struct {
	accept chan net.Conn // what the gateway accepts
	dialed chan net.Conn // the endpoint's side of what it dials
	closed chan struct{}
}

func newWire() *wire {
	return &wire{accept: make(chan net.Conn), dialed: make(chan net.Conn, 1), closed: make(chan struct{})}
}

func (w *wire) options(o *l4.Options) {
	o.Inherit = func(string) *netio.Listener { return netio.NewListener(w) }
	o.Dial = func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		w.dialed <- theirs
		return ours, nil
	}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.accept:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { close(w.closed); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }

// connect is a client of the gateway and, when the gateway connects, its server.
func (w *wire) connect() net.Conn {
	ours, theirs := net.Pipe()
	w.accept <- theirs
	return ours
}

// lasted reads until the connection ends and returns when that was.
func lasted(c net.Conn, since time.Time) time.Duration {
	_, _ = io.Copy(io.Discard, c)
	return time.Since(since)
}

func within(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+200*time.Millisecond {
		t.Errorf("ended after %v, want %v", got, want)
	}
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1"}, "idle_timeout: 5m"), w.options)
		begun := time.Now()
		c := w.connect()
		s := <-w.dialed
		go func() { _, _ = io.Copy(io.Discard, s) }()
		within(t, lasted(c, begun), 5*time.Minute)
		g.wantFlag(telemetry.SI)
		if n, err := s.Read(make([]byte, 1)); err == nil {
			t.Errorf("the server's side still gives %d bytes", n)
		}
	})
}

// A byte in either direction puts the end off.
func TestIdleTimeoutIsOfBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1"}, "idle_timeout: 5m"), w.options)
		begun := time.Now()
		c := w.connect()
		s := <-w.dialed
		var b [1]byte
		for i := range 4 {
			from, to := c, s
			if i%2 == 1 {
				from, to = s, c
			}
			timer := time.NewTimer(4 * time.Minute)
			<-timer.C
			go func() { _, _ = from.Write(b[:]) }()
			if _, err := io.ReadFull(to, b[:]); err != nil {
				t.Fatalf("after %v: %v", time.Since(begun), err)
			}
		}
		within(t, lasted(c, begun), 21*time.Minute)
		g.wantFlag(telemetry.SI)
	})
}

func TestMaxDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1"}, "idle_timeout: 0s, max_duration: 1h"), w.options)
		begun := time.Now()
		c := w.connect()
		<-w.dialed
		within(t, lasted(c, begun), time.Hour)
		if l := g.wantFlag(telemetry.DT); l.Duration < 3600_000 || l.Duration > 3600_200 {
			t.Errorf("duration_ms %v", l.Duration)
		}
	})
}

// What the revision says for all listeners holds where a listener says nothing.
func TestGlobalTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1"}, "")+"timeouts: {tcp_idle: 1m, tcp_max_duration: 1h}\n", w.options)
		begun := time.Now()
		c := w.connect()
		<-w.dialed
		within(t, lasted(c, begun), time.Minute)
		g.wantFlag(telemetry.SI)
	})
}

func TestNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		start(t, to([]string{"10.0.0.1:1"}, "idle_timeout: 0s"), w.options)
		c := w.connect()
		s := <-w.dialed
		timer := time.NewTimer(10 * time.Hour)
		<-timer.C
		go func() { _, _ = io.WriteString(c, "x") }()
		expect(t, s, "x")
		c.Close()
	})
}

// A connect that hangs is given up, and the time that the client waits meanwhile is no idle time.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}, "idle_timeout: 1s"), w.options,
			func(o *l4.Options) {
				o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
			})
		begun := time.Now()
		within(t, lasted(w.connect(), begun), 3*2*time.Second)
		if l := g.wantFlag(telemetry.UF); l.Attempts != 3 || l.Upstream != nil {
			t.Errorf("line %+v", l)
		}
	})
}

// The whole life of a connection is over when it is over, also for one that is not connected yet.
func TestMaxDurationBeforeBytesFlow(t *testing.T) {
	hangs := func(o *l4.Options) {
		o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	document := strings.Replace(to([]string{"10.0.0.1:1", "10.0.0.2:1"}, "max_duration: 1s"),
		"protocol: tcp, endpoints", "limits: {max_connections: 1}, endpoints", 1)
	for name, full := range map[string]bool{"connecting": false, "waiting for a connection": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				g := start(t, document, w.options, hangs)
				if full {
					ep, err := g.Clusters["out"].Pick(nil)
					if err != nil {
						t.Fatal(err)
					}
					defer ep.Done(cluster.Ignored)
					_, slot, err := g.Clusters["out"].ReserveWithin(t.Context(), ep, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer slot.Release()
				}
				begun := time.Now()
				within(t, lasted(w.connect(), begun), time.Second)
				if l := g.wantFlag(telemetry.DT); l.Attempts != 1 || l.Upstream != nil {
					t.Errorf("line %+v", l)
				}
				if got := g.health(); got.Failures != 0 {
					t.Errorf("health %+v", got)
				}
			})
		})
	}
}

// An endpoint that was ejected and never answers is back once it has taken bytes for a while, not when that connection
// ends.
func TestProbeWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sick = "10.0.0.1:1"
		var refuses atomic.Bool
		refuses.Store(true)
		probes := make(chan net.Conn, 1)
		w := newWire()
		document := strings.Replace(to([]string{sick, "10.0.0.2:1"}, "idle_timeout: 0s"), "protocol: tcp, endpoints",
			"passive_health: {consecutive_failures: 1, base_ejection: 30s}, endpoints", 1)
		g := start(t, document, w.options, func(o *l4.Options) {
			o.Dial = func(_ context.Context, address string) (net.Conn, error) {
				if address == sick && refuses.Load() {
					return nil, syscall.ECONNREFUSED
				}
				ours, theirs := net.Pipe()
				if address == sick {
					probes <- theirs
				}
				return ours, nil
			}
		})
		wait := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
			g.Set.Tick()
		}
		state := func(want, when string) {
			t.Helper()
			if got := g.health().State; got != want {
				t.Fatalf("the endpoint is %s %s, want %s", got, when, want)
			}
		}
		probe := func() (client, server net.Conn) {
			t.Helper()
			for range 100 {
				client = w.connect()
				synctest.Wait()
				select {
				case server = <-probes:
					return client, server
				default:
				}
			}
			t.Fatal("no connection came to the endpoint")
			return nil, nil
		}
		w.connect()
		w.connect()
		synctest.Wait()
		state("ejected", "after it has refused")
		refuses.Store(false)
		wait(30 * time.Second)
		c, s := probe()
		wait(time.Second)
		state("probing", "before it took anything")
		go func() { _, _ = io.WriteString(c, "a line of a log") }()
		expect(t, s, "a line of a log")
		wait(900 * time.Millisecond)
		state("probing", "just after it took bytes")
		wait(300 * time.Millisecond)
		state("healthy", "a second after it took bytes")
	})
}

// A client that does not send what has to come first is not waited for. The time of the revision's read timeout holds
// for all of it together.
func TestGreetTimeout(t *testing.T) {
	for name, listener := range map[string]string{
		"client hello": "protocol: tls, cluster: out",
		"PROXY header": "protocol: tcp, cluster: out, proxy_protocol: {from: [0.0.0.0/0]}",
	} {
		for _, first := range []string{"", "\x16\x03\x01\x01"} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWire()
					g := start(t, "listeners: [{name: in, address: '127.0.0.1:0', "+listener+
						"}]\nclusters: [{name: out, endpoints: ['a:1']}]\ntimeouts: {read: 7s}\n", w.options)
					begun := time.Now()
					ours, theirs := net.Pipe()
					w.accept <- fromAddr{theirs}
					if first != "" {
						if _, err := io.WriteString(ours, first); err != nil {
							t.Fatal(err)
						}
					}
					within(t, lasted(ours, begun), 7*time.Second)
					g.wantFlag(telemetry.DPE)
				})
			})
		}
	}
}

// fromAddr is a pipe that claims to come from an address.
type fromAddr struct{ net.Conn }

func (fromAddr) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 9} }

// A server that is drained while a client still says nothing does not wait for it.
func TestDrainWhileGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, "listeners: [{name: in, address: '127.0.0.1:0', protocol: tls, cluster: out}]\nclusters: "+
			"[{name: out, endpoints: ['a:1']}]\n", w.options)
		c := w.connect()
		synctest.Wait()
		begun := time.Now()
		if cut := g.Drain(time.Second); cut != 1 {
			t.Errorf("cut %d", cut)
		}
		within(t, time.Since(begun), time.Second)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read %v", err)
		}
		g.wantFlag(telemetry.LR)
	})
}

// lastMinute is a wire whose one connection is accepted only when it is about to be closed.
type lastMinute struct {
	*wire
	conn net.Conn
	over chan struct{}
}

func (l *lastMinute) SetDeadline(time.Time) error {
	go func() {
		l.accept <- l.conn
		close(l.over)
	}()
	return nil
}

func (l *lastMinute) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.over:
		return nil, os.ErrDeadlineExceeded
	}
}

// What has connected before the listener closes is served like any other, and waited for.
func TestDrainServesTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, theirs := net.Pipe()
		l := &lastMinute{newWire(), theirs, make(chan struct{})}
		g := start(t, to([]string{"10.0.0.1:1"}, ""), l.options, func(o *l4.Options) {
			o.Inherit = func(string) *netio.Listener { return netio.NewListener(l) }
		})
		cut := make(chan int, 1)
		go func() { cut <- g.Drain(time.Minute) }()
		var s net.Conn
		select {
		case s = <-l.dialed:
		case n := <-cut:
			t.Fatalf("drained, with %d cut, before the connection was served", n)
		}
		go func() {
			_, _ = io.WriteString(c, "last")
			c.Close()
		}()
		expect(t, s, "last")
		expectEnd(t, s)
		if n := <-cut; n != 0 {
			t.Errorf("cut %d", n)
		}
	})
}

// A TLS client that makes no room for the end for a while gets all of it, and the end, when it does.
func TestSlowToEndUnderTLS(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"gw.example"}}).Write(t, dir, "gw")
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		g := start(t, to([]string{"10.0.0.1:1"},
			fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}]}", cert, key)), w.options)
		// by the time in here the certificate is not valid yet
		c := tls.Client(w.connect(), &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		s := <-w.dialed
		go func() {
			_, _ = io.WriteString(s, "all there is")
			s.Close()
		}()
		expect(t, c, "all there is")
		timer := time.NewTimer(time.Minute)
		<-timer.C
		expectEnd(t, c)
		c.Close()
		g.wantFlag(telemetry.NoFlag)
	})
}
