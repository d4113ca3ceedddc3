package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// scraped starts a provider that answers scrapes alone, and scrapes it.
func scraped(t *testing.T, r *Registry, accept string) *http.Response {
	t.Helper()
	clearOTEL(t)
	t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
	t.Setenv(envEndpoint, "http://127.0.0.1:1") // nothing is sent there
	p, err := Start(t.Context(), options(r, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return scrape(p, accept)
}

func scrape(p *Provider, accept string) *http.Response {
	q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, q)
	return w.Result()
}

// A scrape has every instrument, under the name that OpenTelemetry's rules give it. Prometheus's own parser reads the
// text, and its own linter finds nothing wrong with it.
func TestScrape(t *testing.T) {
	testserver.Goroutines(t)
	r := NewRegistry()
	fill(r)
	res := scraped(t, r, "")
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 ||
		!strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("answered with %d %s", res.StatusCode, kind)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	for line := range strings.Lines(strings.TrimSpace(everything)) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, " ")
		want := translated(name, rest)
		if f := families[want]; f == nil {
			t.Errorf("no %s for %s", want, name)
		} else if !strings.HasSuffix(line, ": "+f.GetHelp()) {
			t.Errorf("%s: help %q, want the end of %q", want, f.GetHelp(), line)
		}
	}
	for _, want := range []string{
		`gateway_upstream_retries_total{gateway_cluster="users"} 1`,
		`gateway_upstream_endpoints{gateway_cluster="users",gateway_state="ejected"} 1`,
		`gateway_connections{gateway_listener="web",gateway_plane="l7"} 2`,
		`gateway_discovery_age_seconds 1.5`,
		`http_server_request_duration_seconds_bucket{error_type="",http_request_method="GET",`,
		`target_info{gateway_role="sidecar",service_instance_id="pod-1",service_name="app",service_version="1.2.3"`,
	} {
		if !strings.Contains(string(body), want) &&
			!strings.Contains(string(body), strings.Replace(want, `error_type="",`, "", 1)) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	problems, err := promlint.New(strings.NewReader(string(body))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric == "go_goroutine_count" {
			continue // OpenTelemetry's name for it
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// translated is the name that Prometheus gives an instrument, of which rest is unit, kind and description.
func translated(name, rest string) string {
	name = strings.ReplaceAll(name, ".", "_")
	unit, kind, _ := strings.Cut(rest, " ")
	switch unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	case "1":
		if strings.HasPrefix(kind, "gauge") {
			name += "_ratio"
		}
	}
	if strings.HasPrefix(kind, "monotonic") {
		name += "_total"
	}
	return name
}

// Who asks for OpenMetrics gets it.
func TestScrapeOpenMetrics(t *testing.T) {
	r := NewRegistry()
	fill(r)
	res := scraped(t, r, "application/openmetrics-text; version=1.0.0")
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("Content-Type = %s", kind)
	}
	if !strings.HasSuffix(string(body), "\n# EOF\n") ||
		!strings.Contains(string(body), "\n# TYPE gateway_upstream_retries counter\ngateway_upstream_retries_total{") {
		t.Errorf("no OpenMetrics:\n%s", body)
	}
}

// A registry of more series than one message of OTLP takes is one scrape: no series is left out, none comes twice.
func TestScrapeOfManySeries(t *testing.T) {
	r := NewRegistry()
	const routes = maxPoints + 500
	for i := range routes {
		r.Route("route-"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+time.Duration(i).String()).
			Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
	}
	res := scraped(t, r, "")
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "http_server_request_duration_seconds_count{") {
			seen = append(seen, line)
		}
	}
	slices.Sort(seen)
	if n := len(slices.Compact(slices.Clone(seen))); res.StatusCode != 200 || len(seen) != routes || n != routes {
		t.Errorf("status %d, %d series, %d of them different; want %d", res.StatusCode, len(seen), n, routes)
	}
}

// Scrapes and OTLP go on beside each other: a scrape takes nothing from what is sent as deltas.
func TestScrapeBesideOTLP(t *testing.T) {
	clearOTEL(t)
	collector := testserver.Collector(t)
	t.Setenv(envEndpoint, collector.Endpoint())
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
	r := NewRegistry()
	p, err := Start(t.Context(), options(r, nil))
	if err != nil {
		t.Fatal(err)
	}
	r.Fault(NR).Add(2)
	for range 2 {
		res := scrape(p, "")
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !strings.Contains(string(body), `gateway_faults_total{gateway_flag="NR"} 2`) {
			t.Errorf("scraped:\n%s", body)
		}
	}
	within(t, p.flush)
	within(t, p.Shutdown)
	eventually(t, "the delta arrived", func() bool {
		got := deltasOf(t, collector)
		return len(got) > 0 && got[0] == 2
	})
}
