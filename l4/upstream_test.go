package l4_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// dead is an address that refuses connections.
func dead(t testing.TB) string { return testserver.Addr(t) }

// wantReset connects and waits to be reset, which may come so soon that connecting fails with it.
func (g *gateway) wantReset(name string) {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr(name))
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		g.t.Errorf("read %v, want a reset", err)
	}
}

// Dead endpoints are passed over, each once a connection.
func TestNextEndpoint(t *testing.T) {
	g := start(t, to([]string{dead(t), dead(t), backend(t, banner("alive"))}, ""))
	for range 6 {
		c := g.dial("in")
		expect(t, c, "alive")
		c.Close()
	}
	again := int64(0) // attempts behind the first
	for _, l := range g.lines(6) {
		if l.Flag != "" || l.Attempts < 1 || l.Attempts > 3 {
			t.Errorf("line %+v", l)
		}
		again += int64(l.Attempts) - 1
	}
	if n := g.Registry.Cluster("out").Retries.Load(); n != again || n == 0 {
		t.Errorf("gateway.upstream.retries is %d, want %d as the lines have it, and not none", n, again)
	}
}

// With every endpoint dead the client is reset, not told of an orderly end.
func TestAllEndpointsDead(t *testing.T) {
	for _, row := range []struct{ endpoints, attempts int }{{1, 1}, {3, 3}, {6, 4}} {
		var endpoints []string
		for range row.endpoints {
			endpoints = append(endpoints, dead(t))
		}
		g := start(t, to(endpoints, ""))
		g.wantReset("in")
		if l := g.wantFlag(telemetry.UF); l.Attempts != row.attempts || l.Upstream != nil || l.Endpoint == "" {
			t.Errorf("line %+v", l)
		}
		if n := g.Clusters["out"].InFlight(); n != 0 {
			t.Errorf("%d leases are held", n)
		}
	}
}

func TestNoEndpoint(t *testing.T) {
	g := start(t, "listeners: [{name: in, address: '127.0.0.1:0', protocol: tcp, cluster: out}]\nclusters: [{name: "+
		"out, consul: {service: nobody}}]\n")
	g.wantReset("in")
	if l := g.wantFlag(telemetry.UH); l.Attempts != 0 || l.Cluster != "out" {
		t.Errorf("line %+v", l)
	}
}

// The cluster's limit of connections holds, and a connection that ends makes room.
func TestOverflow(t *testing.T) {
	document := strings.Replace(to([]string{backend(t, banner("in"))}, ""), "protocol: tcp, endpoints",
		"limits: {max_connections: 1, max_pending: 0}, endpoints", 1)
	g := start(t, document)
	first := g.dial("in")
	expect(t, first, "in")
	g.wantReset("in")
	g.wantFlag(telemetry.UO)
	if g.Registry.Cluster("out").Overflow.Load() != 1 {
		t.Error("gateway.upstream.overflow did not count")
	}
	first.CloseWrite()
	expectEnd(t, first)
	g.lines(2)
	expect(t, g.dial("in"), "in")
}

// A gateway that is out of descriptors or ports holds it against no endpoint, and asks no other.
func TestExhausted(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.EADDRNOTAVAIL} {
		g := start(t, to([]string{dead(t), dead(t)}, ""), func(o *l4.Options) {
			o.Dial = func(context.Context, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)},
					Err: os.NewSyscallError("connect", e)}
			}
		})
		g.wantReset("in")
		if l := g.wantFlag(telemetry.UO); l.Attempts != 1 {
			t.Errorf("%v: line %+v", e, l)
		}
		if got := g.health(); got.Failures != 0 || g.Registry.Cluster("out").Overflow.Load() != 1 {
			t.Errorf("%v: health %+v, %d overflows; want no failure and 1", e, got,
				g.Registry.Cluster("out").Overflow.Load())
		}
	}
}

// The gateway's own limit holds back accepting: who is over it waits and is served then.
func TestLimitHoldsBack(t *testing.T) {
	g := start(t, to([]string{backend(t, banner("in"))}, ""), func(o *l4.Options) { o.Limit = netio.NewLimit(2) })
	first, second := g.dial("in"), g.dial("in")
	expect(t, first, "in")
	expect(t, second, "in")
	waiting := g.dial("in") // the kernel has accepted it
	send(t, waiting, "early words")
	if n := g.open("in"); n != 2 {
		t.Errorf("%d connections", n)
	}
	first.CloseWrite()
	expectEnd(t, first)
	expect(t, waiting, "in"+"early words")
}

// health is what passive health says of the first endpoint.
func (g *gateway) health() cluster.PassiveStatus {
	g.t.Helper()
	for _, s := range g.Set.Status() {
		if s.Name == "out" {
			return s.Endpoints[0].Passive
		}
	}
	g.t.Fatal("no cluster out")
	return cluster.PassiveStatus{}
}

// What clients do is never the endpoint's fault; a reset without a byte is, and a byte makes up for failures.
func TestOutcomes(t *testing.T) {
	const serve, atOnce, after, atEnd = "serve", "reset at once", "reset after bytes", "reset at the end"
	mode := make(chan string, 1)
	g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
		switch <-mode {
		case serve:
			_, _ = io.WriteString(c, "hello")
			echo(c)
		case atOnce:
			reset(c)
		case atEnd:
			_, _ = io.Copy(io.Discard, c)
			reset(c)
		case after:
			_, _ = io.WriteString(c, "hello")
			_, _ = io.ReadFull(c, make([]byte, 5))
			reset(c)
		}
	})}, ""))
	n := 0
	done := func() { n++; g.lines(n) }
	failures := func(want int, what string) {
		t.Helper()
		if got := g.health().Failures; got != want {
			t.Errorf("%s: %d failures in a row, want %d", what, got, want)
		}
	}
	mode <- atOnce
	g.wantReset("in")
	done()
	failures(1, "a reset at once")

	mode <- serve
	c := g.dial("in")
	expect(t, c, "hello")
	failures(0, "a byte came back, and the connection is open")
	reset(c)
	done()
	failures(0, "the client reset")

	mode <- atOnce
	g.wantReset("in")
	done()
	failures(1, "a reset at once")
	c = g.dial("in") // nobody serves it yet: the client is gone first
	send(t, c, "hello")
	reset(c)
	done()
	mode <- atOnce
	failures(1, "the client reset before anything came back")

	mode <- after
	c = g.dial("in")
	expect(t, c, "hello")
	send(t, c, "hello")
	_, _ = io.ReadAll(c)
	done()
	failures(0, "a reset after bytes")

	mode <- atEnd // as a probe that connects and closes does it to some
	c = g.dial("in")
	c.CloseWrite()
	_, _ = io.ReadAll(c)
	done()
	failures(0, "a reset after the client had ended")
}

// Where an endpoint never says anything, connections that end well come between failures.
func TestOutcomesWithoutAnswers(t *testing.T) {
	resets := make(chan bool, 1)
	g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
		if <-resets {
			reset(c)
			return
		}
		_, _ = io.Copy(io.Discard, c)
	})}, ""))
	n := 0
	want := func(failures int, what string) {
		t.Helper()
		n++
		g.lines(n)
		if got := g.health().Failures; got != failures {
			t.Errorf("%s: %d failures in a row, want %d", what, got, failures)
		}
	}
	end := func(text string) {
		t.Helper()
		resets <- false
		c := g.dial("in")
		send(t, c, text)
		c.CloseWrite()
		expectEnd(t, c)
	}
	for range 3 {
		resets <- true
		g.wantReset("in")
		want(1, "a reset at once")
		end("a line of a log")
		want(0, "bytes were taken, and both ways ended in order")
	}
	resets <- true
	g.wantReset("in")
	want(1, "a reset at once")
	end("")
	want(1, "nothing was sent, as a balancer's check does it")
}

// /status tells why an endpoint is not used: what connecting to it came to, and that it broke off.
func TestLastError(t *testing.T) {
	closing := backend(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 5)) // before that the reset could be taken for one of connecting
		reset(c)
	})
	for name, tt := range map[string]struct {
		endpoint, want string
		dial           netio.DialFunc
	}{
		"refused": {dead(t), "connect: connection refused", nil},
		"timeout": {dead(t), "connect: timeout",
			func(context.Context, string) (net.Conn, error) { return nil, context.DeadlineExceeded }},
		"reset":         {closing, "connection reset before a byte came back", nil},
		"nothing wrong": {backend(t, echo), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log testserver.Log
			g := start(t, to([]string{tt.endpoint}, ""), func(o *l4.Options) {
				o.Logger = log.Logger()
				if tt.dial != nil {
					o.Dial = tt.dial
				}
			})
			for range 2 {
				if c, err := net.Dial("tcp", g.addr("in")); err == nil { // else it was reset meanwhile
					_, _ = io.WriteString(c, "hello")
					c.SetDeadline(time.Now().Add(patience))
					_, _ = c.Read(make([]byte, 5)) // until it was answered, or reset
					c.Close()
				}
			}
			g.lines(2)
			st := g.Set.Status()[0].Endpoints[0].Passive
			if st.LastError != tt.want || (st.LastErrorAt != nil) != (tt.want != "") {
				t.Errorf("last_error = %q at %v, want %q", st.LastError, st.LastErrorAt, tt.want)
			}
			if n := strings.Count(log.String(), "[WARN]  endpoint failed: "); (n == 1) != (tt.want != "") || n > 1 {
				t.Errorf("%d warnings, want one for the same error twice: %s", n, log.String())
			}
		})
	}
}
