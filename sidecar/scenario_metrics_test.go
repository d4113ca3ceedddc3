package sidecar_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What was asked is in what the Collector wrote, under the names, units and
// attributes that are promised, and in the access log.
func TestMetrics(t *testing.T) {
	t.Parallel()
	collector, consul := testserver.Collector(t), testserver.Consul(t)
	answering := backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	consul.Register(testserver.Service{Name: "shop", Port: port(t, answering)})
	consul.KVPut("gateway/web/config", `
routes:
  - {name: shop, match: {path_prefix: /shop}, cluster: shop, prefix_rewrite: /}
  - {name: gone, match: {path_prefix: /gone}, cluster: gone}
clusters:
  - {name: shop, consul: {service: shop}}
  - {name: gone, endpoints: ["`+testserver.Addr(t)+`"]}
`)
	g := serve(t, env{
		"CONSUL_HTTP_ADDR":            consul.Addr(),
		"GATEWAY_SERVICE":             "web",
		"GATEWAY_INSTANCE":            "web-7",
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.Endpoint(),
		"OTEL_METRIC_EXPORT_INTERVAL": "200",
		"OTEL_RESOURCE_ATTRIBUTES":    "deployment.environment=test",
	})
	_, scraped, _ := fetch(g.admin + "/metrics")
	for _, reason := range []string{"source", "invalid", "prepare", "quarantined", "replay"} {
		want := `gateway_revision_rejected_total{gateway_reason="` + reason + `"} 0`
		if !strings.Contains(scraped, want) {
			t.Errorf("before any rejection /metrics has no %s: the first would be no increase", want)
		}
	}
	g.answers("/shop", http.StatusOK, "hello")
	for range 9 {
		g.now("/shop", http.StatusOK, "hello")
	}
	for range 3 {
		g.now("/shop/teapot", http.StatusTeapot, "hello")
	}
	g.answers("/none", http.StatusNotFound, "no route\n")
	if code, _, _ := fetch(g.url + "/gone"); code != http.StatusBadGateway {
		t.Errorf("/gone = %d, want 502", code)
	}
	consul.KVPut("gateway/web/config", "nonsense: true")
	g.rejection()

	code, scrape, err := fetch(g.admin + "/metrics")
	if err != nil || code != http.StatusOK || !strings.Contains(scrape, `http_server_request_duration_seconds_count{`+
		`http_request_method="GET",http_response_status_code="418",http_route="shop",url_scheme="http"} 3`) {
		t.Errorf("GET /metrics: %d, %v\n%s", code, err, scrape)
	}
	// The end sends all that was not sent before.
	revision := g.status().Revision.ID
	g.end()
	testserver.WaitFor(t, longestWait, "the Collector to have written it", func() bool {
		_, ok := collector.Point(t, "gateway.revision.rejected", map[string]string{"gateway.reason": "invalid"})
		return ok
	})
	attributes := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	const server, upstream = "http.server.request.duration", "http.client.request.duration"
	for _, row := range []struct {
		name, unit, kind string
		attributes       map[string]string
		count            float64 // of a histogram its count, of the rest the value; -1 = any
	}{
		{server, "s", "histogram", attributes("http.request.method", "GET", "http.response.status_code", "200",
			"http.route", "shop", "url.scheme", "http"), 10},
		{server, "s", "histogram", attributes("http.request.method", "GET", "http.response.status_code", "418",
			"http.route", "shop"), 3},
		{server, "s", "histogram", attributes("http.response.status_code", "404"), 1},
		{server, "s", "histogram", attributes("http.response.status_code", "502", "http.route", "gone", "error.type",
			"502"), 1},
		{"http.server.active_requests", "{request}", "sum", attributes("http.request.method", "GET"), 0},
		{upstream, "s", "histogram", attributes("gateway.cluster", "shop", "http.response.status_code", "200"), 10},
		{"gateway.upstream.connect.duration", "s", "histogram", attributes("gateway.cluster", "shop"), -1},
		{"gateway.upstream.endpoints", "{endpoint}", "gauge",
			attributes("gateway.cluster", "shop", "gateway.state", "healthy"), 1},
		{"gateway.connections", "{connection}", "sum", attributes("gateway.listener", "default", "gateway.plane", "l7"),
			-1},
		{"gateway.connections.accepted", "{connection}", "sum",
			attributes("gateway.listener", "default", "gateway.plane", "l7"), -1},
		{"gateway.faults", "{fault}", "sum", attributes("gateway.flag", "NR"), 1},
		{"gateway.faults", "{fault}", "sum", attributes("gateway.flag", "UF"), 1},
		{"gateway.revision.info", "1", "gauge", attributes("gateway.revision", revision), 1},
		{"gateway.revision.applied", "{revision}", "sum", nil, -1},
		{"gateway.revision.rejected", "{revision}", "sum", attributes("gateway.reason", "invalid"), 1},
		{"gateway.discovery.age", "s", "gauge", nil, -1},
		{"gateway.access_log.dropped", "{line}", "sum", nil, 0},
	} {
		p, ok := collector.Point(t, row.name, row.attributes)
		if !ok {
			t.Errorf("%s %v: not exported", row.name, row.attributes)
			continue
		}
		if got := max(p.Value, float64(p.Count)); row.count >= 0 && got != row.count {
			t.Errorf("%s %v = %v, want %v", row.name, row.attributes, got, row.count)
		}
		for _, m := range collector.Metrics(t) {
			if m.Name == row.name && (m.Unit != row.unit || m.Kind != row.kind) {
				t.Errorf("%s is a %s in %q, want a %s in %q", m.Name, m.Kind, m.Unit, row.kind, row.unit)
				break
			}
		}
	}
	checkResource(t, collector)
	checkAccessLog(t, g, revision)
}

func checkResource(t *testing.T, collector *testserver.CollectorServer) {
	t.Helper()
	metrics := collector.Metrics(t)
	got := maps.Clone(metrics[len(metrics)-1].Resource)
	if got["service.version"] == "" {
		t.Error("no service.version")
	}
	for name, want := range map[string]string{
		"service.name":           "web",
		"service.instance.id":    "web-7",
		"gateway.role":           "sidecar",
		"deployment.environment": "test",
	} {
		if got[name] != want {
			t.Errorf("resource attribute %s = %q, want %q", name, got[name], want)
		}
	}
}

func checkAccessLog(t *testing.T, g *gateway, revision string) {
	t.Helper()
	byRoute, flags := map[string]int{}, map[string]int{}
	for line := range strings.Lines(g.stdout()) {
		var entry struct{ Method, Route, Cluster, Flag, Revision, Listener string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("access log: %v in %q", err, line)
		}
		if entry.Method != http.MethodGet || entry.Listener != "default" {
			t.Errorf("access log: %q", line)
		}
		if entry.Route == "shop" && entry.Revision != revision {
			t.Errorf("access log: revision %q, want %q", entry.Revision, revision)
		}
		byRoute[entry.Route]++
		flags[entry.Flag]++
	}
	if byRoute["shop"] != 13 || byRoute["gone"] != 1 || flags["NR"] != 1 || flags["UF"] != 1 {
		t.Errorf("access log: lines by route %v, by flag %v", byRoute, flags)
	}
}

// A setting of the collector that cannot be used is told once, by its name, and costs nothing but the metrics.
func TestCollectorSettingThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		environ env
		says    string
	}{
		{"endpoint", env{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"},
			"env OTEL_EXPORTER_OTLP_ENDPOINT: neither a URL nor host:port"},
		{"certificate", env{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4317",
			"OTEL_EXPORTER_OTLP_CERTIFICATE": "none.pem"},
			"env OTEL_EXPORTER_OTLP_CERTIFICATE: none.pem: no such file or directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.environ["GATEWAY_APP"] = backend(t,
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
			g := serve(t, row.environ)
			g.answers("/", http.StatusOK, "hello")
			if n := strings.Count(g.stderr(), row.says); n != 1 || !strings.Contains(g.stderr(), `"@level":"error"`) {
				t.Errorf("said %d times %q:\n%s", n, row.says, g.stderr())
			}
		})
	}
}
