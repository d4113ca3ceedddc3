package proxy

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// typical is an exchange that has been decided on.
func typical(t testing.TB, route config.Route) *exchange {
	t.Helper()
	raw := []byte("GET /api/v1/users/%37?id=1 HTTP/1.1\r\nHost: app.example.com\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nUser-Agent: test\r\n" +
		"Accept: */*\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n")
	registry := telemetry.NewRegistry()
	log, err := telemetry.OpenAccessLog(filepath.Join(t.TempDir(), "log"), new(telemetry.Counter), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{registry: registry, sweeper: netio.NewSweeper(), log: log}
	ex := &exchange{
		s: s, work: new(workspace), c: &client{ip: "127.0.0.1", settings: &settings{name: "web"}},
		t:  &Table{log: telemetry.NewLogFormat(logfield.Names()), sampling: 1, noRoute: registry.Route("")},
		rt: &Route{name: "r", cfg: &route, prefix: route.Match.PathPrefix, tele: registry.Route("r")},
	}
	lim := http1.DefaultLimits()
	if err := http1.ParseRequest(raw, &ex.req, &lim); err != nil {
		t.Fatal(err)
	}
	ex.path, _, _ = config.NormalPath(ex.req.Path, nil)
	ex.requestID()
	return ex
}

func TestHeadIsWrittenWithoutAllocating(t *testing.T) {
	for name, route := range map[string]config.Route{
		"as it came":       {},
		"prefix rewritten": {Match: config.Match{PathPrefix: "/api"}, PrefixRewrite: "/v2"},
		"host rewritten":   {HostRewrite: "b.example.com"},
		"endpoint's host":  {EndpointHost: true},
	} {
		ex := typical(t, route)
		dst := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { dst = ex.appendRequest(dst[:0], "10.0.0.1:80") }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
		var back message.Head
		lim := http1.DefaultLimits()
		if err := http1.ParseRequest(dst, &back, &lim); err != nil {
			t.Errorf("%s: what was written is refused: %v\n%s", name, err, dst)
		}
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	ex := typical(t, config.Route{})
	ex.status, ex.start = 200, ex.now()
	for range 1000 { // the log's buffers grow
		ex.record()
	}
	ex.s.log.Flush()
	for range 1000 {
		ex.record()
	}
	ex.s.log.Flush()
	if n := testing.AllocsPerRun(200, ex.record); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	ex := typical(b, config.Route{})
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = ex.appendRequest(dst[:0], "10.0.0.1:80")
	}
}

func BenchmarkRecord(b *testing.B) {
	ex := typical(b, config.Route{})
	ex.status, ex.start = 200, ex.now()
	b.ReportAllocs()
	for n := time.Duration(0); b.Loop(); n++ {
		ex.record()
		if n%1000 == 0 {
			ex.s.log.Flush()
		}
	}
}
