package relay

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// rig is what package proxy puts around relays, for one route to one endpoint of HTTP/2, whose side the test plays. One
// request at a time is let into the cluster.
type rig struct {
	t        *testing.T
	engine   *forward.Engine
	upstream *route.Upstream
	listener *telemetry.Listener
	app      net.Listener
	breaks   func(*forward.ConnH2, *forward.Given) // called on the reading goroutine before /broken is relayed
	relays   chan *relay                           // that were started; nil where none was
	warns    atomic.Bool                           // the logger panics when it warns
}

func newRig(t *testing.T, breaks func(*forward.ConnH2, *forward.Given)) *rig {
	t.Helper()
	testserver.Goroutines(t)
	r := &rig{t: t, app: testserver.Listen(t), breaks: breaks, relays: make(chan *relay, 8)}
	registry, sweeper := telemetry.NewRegistry(), netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	swept := make(chan struct{})
	go func() { defer close(swept); sweeper.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-swept })
	logger := warning{hclog.NewNullLogger(), &r.warns}
	set := cluster.NewSet(cluster.Options{Registry: registry, Logger: hclog.NewNullLogger()})
	t.Cleanup(func() { set.Retire(nil) })
	base := config.Standard()
	base.Listeners = []config.Listener{{Name: "web", Address: "127.0.0.1:0", Protocol: config.ProtocolHTTP}}
	doc, err := config.Decode([]byte("routes:\n- {name: all, match: {path_prefix: /}, cluster: app}\n"+
		"clusters:\n- {name: app, protocol: http2, endpoints: [\""+r.app.Addr().String()+"\"]}\n"), base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Prepare(&doc.Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	r.upstream = &route.Upstream{
		Cluster: c, Protocol: config.ProtocolHTTP2, Dial: netio.Dialer(nil), Scheme: forward.SchemeHTTP,
		Connect: patience,
		Budget:  new(cluster.RetryBudget), Queue: cluster.NewQueue(cluster.QueueOptions{Concurrency: 1}),
	}
	table, err := route.Compile(route.Options{
		Document: doc, Upstreams: map[string]*route.Upstream{"app": r.upstream}, Registry: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.engine = forward.New(ctx, forward.Options{
		Registry: registry, Logger: logger, Sweeper: sweeper, Limits: http1.DefaultLimits(),
	})
	r.engine.SetTable(table)
	r.listener = registry.Listener("web", telemetry.L7)
	return r
}

// warning is a logger that brings out a bug of ours when it warns.
type warning struct {
	hclog.Logger
	on *atomic.Bool
}

func (w warning) Warn(string, ...any) {
	if w.on.Load() {
		panic("a bug of ours")
	}
}

// carrier takes the requests of one connection: /first goes to an exchange, the others are relayed.
type carrier struct {
	forward.ConnH2
	rig      *rig
	listener *route.Listener
	decision route.Decision
}

func (c *carrier) Request(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) http2.Receiver {
	g := &forward.Given{Start: c.Engine.Now(), Decision: &c.decision}
	g.Reply = c.Engine.Table().Decide(g.Decision, h, &c.Client, g.Start, &c.Work.Workspace)
	if string(h.Path) == "/first" {
		return c.Carry(b, st, h, end, g)
	}
	if string(h.Path) == "/broken" {
		c.rig.breaks(&c.ConnH2, g)
		defer func() { c.Client.Listener = c.listener }()
	}
	events := Start(&c.ConnH2, b, st, h, end, g)
	r, _ := events.(*clientEvents)
	c.rig.relays <- (*relay)(r)
	return events
}

// dial is a client's connection.
func (r *rig) dial() *testpeer.Peer {
	r.t.Helper()
	ln := testserver.Listen(r.t)
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	ours, err := ln.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	c := &carrier{rig: r, listener: &route.Listener{Name: "web", Telemetry: r.listener}}
	c.Init(r.engine, route.Client{Listener: c.listener, IP: "127.0.0.1"})
	server := http2.NewServer(netio.New(ours, r.engine.Sweeper, patience), c, r.engine.H2Options(r.engine.Table()))
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(nil); c.Wait() }()
	r.t.Cleanup(func() { nc.Close(); <-done })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return testpeer.Client(r.t, nc, nc)
}

// accept is the gateway's next connection to the endpoint.
func (r *rig) accept(settings ...xhttp2.Setting) *testpeer.Peer {
	r.t.Helper()
	nc, err := r.app.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return testpeer.Server(r.t, nc, nc, settings...)
}

// warm is a client's and an endpoint's connection with one exchange behind them, so that the next request is relayed.
func (r *rig) warm(settings ...xhttp2.Setting) (down, up *testpeer.Peer) {
	r.t.Helper()
	down = r.dial()
	down.Ask(1, true, "GET", "/first")
	up = r.accept(settings...)
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	r.returned()
	return down, up
}

// returned waits until all that requests were given has been given back. That is leases, the place in the queue, and
// the place in the gauge of active requests.
func (r *rig) returned() {
	r.t.Helper()
	active := func() (n int64) {
		for _, m := range []telemetry.Method{telemetry.MethodGet, telemetry.MethodPost} {
			n += r.listener.Requests(m, telemetry.SchemeHTTP).Load()
		}
		return n
	}
	testserver.WaitFor(r.t, patience, "all to be given back", func() bool {
		free := r.upstream.Queue.TryEnter()
		if free {
			r.upstream.Queue.Leave()
		}
		return free && r.upstream.Cluster.InFlight() == 0 && active() == 0
	})
}
