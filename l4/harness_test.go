package l4_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// patience is how long a test waits for what has to happen.
const patience = testgateway.Patience

// gateway is a data plane as sidecar would run it, with an access log.
type gateway struct {
	*testgateway.Gateway[*l4.Plan, *l4.Server]
	t   testing.TB
	log *testgateway.AccessLog
}

// start runs a gateway on a document.
func start(t testing.TB, document string, options ...func(*l4.Options)) *gateway {
	t.Helper()
	g := &gateway{t: t, log: testgateway.NewAccessLog(t)}
	g.Gateway = testgateway.New(t, 0, func(ctx context.Context, p *testgateway.Parts) *l4.Server {
		o := l4.Options{Registry: p.Registry, Logger: p.Logger, Limit: p.Limit, Log: g.log.AccessLog}
		for _, f := range options {
			f(&o)
		}
		p.Limit = o.Limit
		return l4.New(ctx, o)
	})
	g.apply(document)
	return g
}

// prepare makes a plan of the document.
func (g *gateway) prepare(document string) (*l4.Plan, []*cluster.Cluster, error) {
	g.t.Helper()
	return g.Prepare(document, config.Standard())
}

// apply makes the document the serving revision.
func (g *gateway) apply(document string) {
	g.t.Helper()
	g.Apply(document, config.Standard())
}

// to is a document with the listener "in" and the cluster "out" of these endpoints. keys are more keys of the listener.
func to(endpoints []string, keys string) string {
	if keys != "" {
		keys = ", " + keys
	}
	return "listeners: [{name: in, address: '127.0.0.1:0', protocol: tcp, cluster: out" + keys + "}]\n" +
		"clusters: [{name: out, protocol: tcp, endpoints: ['" + strings.Join(endpoints, "', '") + "']}]\n"
}

func (g *gateway) addr(name string) string {
	g.t.Helper()
	addr, _, ok := g.Server.Listener(name)
	if !ok {
		g.t.Fatalf("no listener %q", name)
	}
	return addr
}

// open is how many connections the listener has.
func (g *gateway) open(name string) int64 {
	_, n, _ := g.Server.Listener(name)
	return n
}

// dial connects to a listener.
func (g *gateway) dial(name string) *net.TCPConn {
	g.t.Helper()
	return dial(g.t, g.addr(name))
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// backend accepts connections and hands each to serve in a goroutine; all have ended when the test ends.
func backend(t testing.TB, serve func(*net.TCPConn)) string {
	t.Helper()
	ln := testserver.Listen(t)
	go serveAll(ln, serve)
	return ln.Addr().String()
}

func serveAll(ln net.Listener, serve func(*net.TCPConn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(2 * patience))
			serve(c.(*net.TCPConn))
		}()
	}
}

// echo sends back what comes, and the end too.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
	c.CloseWrite()
}

// hand gives each connection to the test.
func hand(t testing.TB) (addr string, conns <-chan *net.TCPConn) {
	t.Helper()
	ln := testserver.Listen(t)
	ch := make(chan *net.TCPConn, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			ch <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() {
		for {
			select {
			case c := <-ch:
				c.Close()
			default:
				return
			}
		}
	})
	return ln.Addr().String(), ch
}

func next(t testing.TB, conns <-chan *net.TCPConn) *net.TCPConn {
	t.Helper()
	select {
	case c := <-conns:
		t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(patience):
		t.Fatal("no connection came through")
		return nil
	}
}

// reset closes a connection so that the other side sees a reset.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // gone is as good
	c.Close()
}

func send(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

// expect reads exactly text.
func expect(t testing.TB, c io.Reader, text string) {
	t.Helper()
	b := make([]byte, len(text))
	n, err := io.ReadFull(c, b)
	if string(b[:n]) != text {
		t.Fatalf("got %q (%v), want %q", b[:n], err, text)
	}
}

// expectEnd reads the orderly end.
func expectEnd(t testing.TB, c io.Reader) {
	t.Helper()
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || err != io.EOF {
		t.Fatalf("read %d bytes and %v, want the end", n, err)
	}
}

// line is one line of the access log.
type line struct {
	Protocol       string  `json:"protocol"`
	Host           string  `json:"host"`
	Status         int     `json:"status"`
	Duration       float64 `json:"duration_ms"`
	Upstream       any     `json:"upstream_ms"`
	RemoteIP       string  `json:"remote_ip"`
	Listener       string  `json:"listener"`
	Cluster        string  `json:"cluster"`
	Endpoint       string  `json:"upstream"`
	Attempts       int     `json:"attempts"`
	BytesRead      int64   `json:"bytes_read"`
	BytesWritten   int64   `json:"bytes_written"`
	Flag           string  `json:"flag"`
	Reason         string  `json:"reason"`
	TLSVersion     string  `json:"tls_version"`
	ClientIdentity string  `json:"client_identity"`
}

// lines waits for n lines of the access log and returns them all.
func (g *gateway) lines(n int) []line {
	g.t.Helper()
	return testgateway.Lines[line](g.log, n)
}

// wantFlag waits for the first line and returns its flag.
func (g *gateway) wantFlag(flag telemetry.Flag) line {
	g.t.Helper()
	all := g.lines(1)
	l := all[len(all)-1]
	if l.Flag != flag.String() || l.Protocol != "tcp" {
		g.t.Fatalf("the line has flag %q and protocol %q, want %q: %+v", l.Flag, l.Protocol, flag, l)
	}
	if flag != telemetry.NoFlag && g.Registry.Fault(flag).Load() == 0 {
		g.t.Errorf("gateway.faults has no %v", flag)
	}
	return l
}
