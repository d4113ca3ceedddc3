package forward

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// typical is an exchange that has been decided on by a document with that one route.
func typical(t testing.TB, rt config.Route) *exchange {
	t.Helper()
	raw := []byte("GET /api/v1/users/%37?id=1 HTTP/1.1\r\nHost: app.example.com\r\nConnection: keep-alive, " +
		"x-hop\r\nX-Hop: 1\r\n" +
		"User-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\n" +
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n")
	registry := telemetry.NewRegistry()
	dropped := new(telemetry.Counter)
	log, err := telemetry.OpenAccessLog(filepath.Join(t.TempDir(), "log"), dropped, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	rt.Name = "r"
	doc := &config.Document{Routes: []config.Route{rt}}
	doc.AccessLog.Enabled, doc.AccessLog.Sampling, doc.AccessLog.Fields = true, 1, logfield.Names()
	table, err := route.Compile(route.Options{
		Document: doc, Registry: registry, AccessLog: true,
		Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Options: Options{Registry: registry, Sweeper: netio.NewSweeper(), Log: log}}
	e.SetTable(table)
	c := &route.Client{IP: "127.0.0.1", Trusted: true, Listener: &route.Listener{Name: "web"}}
	ex := new(exchange)
	ex.attach(e, c, nil, new(Workspace))
	lim := http1.DefaultLimits()
	if err := http1.ParseRequest(raw, &ex.req, &lim); err != nil {
		t.Fatal(err)
	}
	if r := ex.decide(); r != route.ReplyNoCluster { // the route has none
		t.Fatalf("decided on %v", r)
	}
	return ex
}

func TestHeadIsWrittenWithoutAllocating(t *testing.T) {
	for name, rt := range map[string]config.Route{
		"as it came":       {Match: config.Match{PathPrefix: "/"}},
		"prefix rewritten": {Match: config.Match{PathPrefix: "/api"}, PrefixRewrite: "/v2"},
		"host rewritten":   {Match: config.Match{PathPrefix: "/"}, HostRewrite: "b.example.com"},
		"endpoint's host":  {Match: config.Match{PathPrefix: "/"}, EndpointHost: true},
	} {
		ex := typical(t, rt)
		head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
		dst := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { dst = head.appendH1(dst[:0]) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
		var back message.Head
		lim := http1.DefaultLimits()
		if err := http1.ParseRequest(dst, &back, &lim); err != nil {
			t.Errorf("%s: what was written is refused: %v\n%s", name, err, dst)
		}
	}
}

func (ex *exchange) write() {
	ex.record.Write(ex.engine, ex.client, &ex.decision, &ex.attempt, &ex.req)
}

func TestRecordDoesNotAllocate(t *testing.T) {
	ex := typical(t, config.Route{Match: config.Match{PathPrefix: "/"}})
	ex.record.Status, ex.record.Start = 200, ex.now()
	for range 1000 { // the log's buffers grow
		ex.write()
	}
	ex.engine.Log.Flush()
	for range 1000 {
		ex.write()
	}
	ex.engine.Log.Flush()
	if n := testing.AllocsPerRun(200, ex.write); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// everyday is a route as users write them, with three conditions and four edits of heads. It is that of typical.
var everyday = config.Route{
	Match: config.Match{
		PathPrefix: "/api", Methods: []string{"GET"},
		Headers: []config.ValueMatch{{Name: "user-agent", Operator: config.Prefix, Value: "te"}},
		Query:   []config.ValueMatch{{Name: "id", Value: "1"}},
	},
	RequestHeaders: config.HeaderEdits{Set: []config.Header{{Name: "x-route", Value: "${route}"}},
		Remove: []string{"x-internal"}},
	ResponseHeaders: config.HeaderEdits{
		Set:    []config.Header{{Name: "strict-transport-security", Value: "max-age=63072000"}},
		Remove: []string{"server"},
	},
}

// deciding returns what decides on a request of that route and writes the heads that go on, both ways.
func deciding(t testing.TB, rt config.Route) func() {
	ex := typical(t, rt)
	lim, back := http1.DefaultLimits(), new(message.Head)
	raw := []byte("HTTP/1.1 200 OK\r\nServer: app\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	if err := http1.ParseResponse(raw, back, &lim, false); err != nil {
		t.Fatal(err)
	}
	head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
	dst := make([]byte, 0, 4096)
	return func() {
		_ = ex.decide() // a reply: the route has no cluster
		dst = head.appendH1(dst[:0])
		r := ex.response(back)
		dst = r.appendH1(dst, &ex.work.lines)
	}
}

func TestEverydayRouteDoesNotAllocate(t *testing.T) {
	run := deciding(t, everyday)
	if n := testing.AllocsPerRun(200, run); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// BenchmarkDecideAndHeads is what of a request a route has to do with, in a plain one and in an everyday one.
func BenchmarkDecideAndHeads(b *testing.B) {
	for _, row := range []struct {
		name  string
		route config.Route
	}{{"plain", config.Route{Match: config.Match{PathPrefix: "/api"}}}, {"everyday", everyday}} {
		b.Run(row.name, func(b *testing.B) {
			run := deciding(b, row.route)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	ex := typical(b, config.Route{Match: config.Match{PathPrefix: "/"}})
	head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = head.appendH1(dst[:0])
	}
}

func BenchmarkRecord(b *testing.B) {
	ex := typical(b, config.Route{Match: config.Match{PathPrefix: "/"}})
	ex.record.Status, ex.record.Start = 200, ex.now()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		ex.write()
		if n%1000 == 0 {
			ex.engine.Log.Flush()
		}
	}
}
