package sidecar_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A request from app to app by two gateways is one trace of four spans. It does not matter what is spoken on the way
// and to the Collector, or who carries the request.
func TestTraceOverTwoGateways(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		protocol string // of OTLP
		client   bool   // the client speaks HTTP/2
		h2       bool   // the gateways and the app do
		formats  string
	}{
		{"HTTP/1.1, gRPC", "grpc", false, false, "tracecontext"},
		{"HTTP/2, OTLP over HTTP", "http/protobuf", true, true, "tracecontext,b3"},
		{"HTTP/1.1 by B3", "grpc", false, false, "b3multi"},
		{"HTTP/2 by B3", "grpc", true, true, "b3"},
		{"HTTP/2 to HTTP/1.1", "grpc", true, false, "tracecontext"},
		{"HTTP/1.1 to HTTP/2", "http/protobuf", false, true, "tracecontext"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			collector := testserver.Collector(t)
			endpoint := collector.Endpoint()
			if row.protocol != "grpc" {
				endpoint = collector.EndpointHTTP() + "/v1/traces"
			}
			var protocols, clients http.Protocols
			protocols.SetHTTP1(!row.h2)
			protocols.SetUnencryptedHTTP2(row.h2)
			clients.SetHTTP1(!row.client)
			clients.SetUnencryptedHTTP2(row.client)
			seen := make(chan http.Header, 1)
			app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen <- r.Header.Clone()
				_, _ = io.WriteString(w, "hello")
			}))
			app.Config.Protocols = &protocols
			app.Start()
			t.Cleanup(app.Close)

			gateway := func(name, to string) *gateway {
				protocol := ""
				if row.h2 {
					protocol = ", protocol: http2"
				}
				file := t.TempDir() + "/gateway.yaml"
				write(t, file, "routes: [{name: all, cluster: c}]\n"+
					"clusters: [{name: c, endpoints: ['"+to+"']"+protocol+"}]\n")
				return serve(t, env{
					"GATEWAY_CONFIG": file, "GATEWAY_SERVICE": name, "OTEL_TRACES_EXPORTER": "otlp",
					"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint,
					"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": row.protocol, "OTEL_PROPAGATORS": row.formats,
					"OTEL_BSP_SCHEDULE_DELAY": "50",
				})
			}
			second := gateway("second", strings.TrimPrefix(app.URL, "http://"))
			first := gateway("first", strings.TrimPrefix(second.url, "http://"))

			transport := &http.Transport{Protocols: &clients}
			t.Cleanup(transport.CloseIdleConnections)
			// The connections of the first request carry the second one: over HTTP/2 no goroutine does.
			warm, err := http.NewRequest(http.MethodGet, first.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, transport, warm)
			<-seen
			const trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
			req, err := http.NewRequest(http.MethodGet, first.url+"/a/b?secret=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			switch row.formats {
			case "b3":
				req.Header.Set("B3", trace+"-"+caller+"-1")
			case "b3multi":
				req.Header.Set("X-B3-TraceId", trace)
				req.Header.Set("X-B3-SpanId", caller)
				req.Header.Set("X-B3-Sampled", "1")
			default:
				req.Header.Set("Traceparent", "00-"+trace+"-"+caller+"-01")
				req.Header.Set("Tracestate", "a=1")
			}
			exchange(t, transport, req)
			testserver.WaitFor(t, longestWait, "the spans of both", func() bool { return len(collector.Spans(t)) >= 8 })

			parent := caller
			for _, want := range []struct{ service, kind string }{
				{"first", "server"}, {"first", "client"}, {"second", "server"}, {"second", "client"},
			} {
				s := childOf(t, collector, parent)
				if s.Trace != trace || s.Kind != want.kind || s.Resource["service.name"] != want.service || s.Failed {
					t.Errorf("span %+v, want the %s span of %s", s, want.kind, want.service)
				}
				if s.Attributes["http.request.method"] != "GET" || s.Attributes["http.response.status_code"] != "200" ||
					s.Attributes["gateway.revision"] == "" || s.End.Before(s.Start) {
					t.Errorf("%s span of %s: %+v", want.kind, want.service, s)
				}
				if want.kind == "server" && (s.Name != "GET all" || s.Attributes["url.path"] != "/a/b") {
					t.Errorf("server span %+v, want GET all", s)
				}
				for _, value := range s.Attributes {
					if strings.Contains(value, "secret") {
						t.Errorf("the query is shown in %+v", s)
					}
				}
				parent = s.ID
			}
			header := <-seen
			for name, want := range map[string]string{
				"tracecontext": header.Get("Traceparent"), "b3": header.Get("B3"), "b3multi": header.Get("X-B3-Spanid"),
			} {
				if strings.Contains(row.formats+",", name+",") != strings.Contains(want, parent) {
					t.Errorf("%s at the app: %q, want the span %s where it is among %s", name, want, parent,
						row.formats)
				}
			}
			if strings.HasPrefix(row.formats, "tracecontext") && header.Get("Tracestate") != "a=1" {
				t.Errorf("tracestate = %q, want a=1", header.Get("Tracestate"))
			}
		})
	}
}

// exchange sends a request and reads its response.
func exchange(t *testing.T, by http.RoundTripper, req *http.Request) {
	t.Helper()
	resp, err := by.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
}

// A request that waits, is tried again and has its endpoint ejected tells so in its spans. Its line in the access log
// has the ids.
func TestTraceOfARetry(t *testing.T) {
	t.Parallel()
	collector := testserver.Collector(t)
	hold := make(chan struct{})
	retried := make(chan string, 2) // the traceparent of each request that came through
	good := backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-hold
		}
		if r.URL.Path == "/retried" {
			retried <- r.Header.Get("Traceparent")
		}
		_, _ = io.WriteString(w, "hello")
	}))
	file := t.TempDir() + "/gateway.yaml"
	write(t, file, `
routes:
  - {name: retried, match: {path_prefix: /retried}, cluster: c, retries: {attempts: 3, on: [connect-failure]}}
  - {name: all, cluster: app}
clusters:
  - {name: c, endpoints: ["`+testserver.Addr(t)+`", "`+good+`"], passive_health: {consecutive_failures: 1}}
`)
	g := serve(t, env{
		"GATEWAY_CONFIG": file, "GATEWAY_APP": good, "GATEWAY_APP_CONCURRENCY": "1", "GATEWAY_ACCESS_LOG": "access.log",
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.Endpoint(),
		"OTEL_BSP_SCHEDULE_DELAY": "50",
	})
	spans := func(name string) (found []testserver.Span) {
		for _, s := range collector.Spans(t) {
			if s.Name == name || s.Attributes["gateway.cluster"] == name {
				found = append(found, s)
			}
		}
		return found
	}
	for range 2 { // one of them begins with the endpoint that refuses
		g.now("/retried", http.StatusOK, "hello")
	}
	var refused, again testserver.Span
	testserver.WaitFor(t, longestWait, "the spans of a retry", func() bool {
		for _, s := range spans("c") {
			if s.Kind == "client" && s.Failed {
				refused = s
			}
			if s.Attributes["http.request.resend_count"] == "1" {
				again = s
			}
		}
		return refused.ID != "" && again.ID != ""
	})
	if refused.Attributes["gateway.flag"] != "UF" || !strings.Contains(refused.Message, "refused") ||
		!slices.Equal(refused.Events, []string{"gateway.endpoint.ejected"}) {
		t.Errorf("the attempt that was refused: %+v", refused)
	}
	if !slices.Equal(again.Links, []string{refused.ID}) || again.Parent != refused.Parent || again.Failed {
		t.Errorf("the attempt after %s: %+v", refused.ID, again)
	}
	if one, two := <-retried, <-retried; !strings.Contains(one+" "+two, again.Trace+"-"+again.ID) {
		t.Errorf("the endpoint was told of %s and %s, want the attempt %s", one, two, again.ID)
	}

	waiting := make(chan struct{})
	for range 2 { // the app takes one at a time
		go func() { // ends with its response
			_, _, _ = fetch(g.url + "/hold") // its span is looked at
			waiting <- struct{}{}
		}()
	}
	testserver.WaitFor(t, longestWait, "both requests to be in flight", func() bool {
		_, scrape, err := fetch(g.admin + "/metrics")
		return err == nil && strings.Contains(scrape, `http_server_active_requests{gateway_listener="default",`+
			`http_request_method="GET",url_scheme="http"} 2`)
	})
	close(hold)
	<-waiting
	<-waiting
	testserver.WaitFor(t, longestWait, "the span of a request that had to wait", func() bool {
		return slices.ContainsFunc(spans("GET all"), func(s testserver.Span) bool {
			return slices.Equal(s.Events, []string{"gateway.queued"})
		})
	})

	testserver.WaitFor(t, longestWait, "the ids of all requests in the access log", func() bool {
		text := g.read("access.log")
		for _, s := range collector.Spans(t) {
			if s.Kind == "server" && !strings.Contains(text, `"trace_id":"`+s.Trace+`"`) ||
				s.Kind == "server" && !strings.Contains(text, `"span_id":"`+s.ID+`"`) {
				return false
			}
		}
		return true
	})
}

// Without a word there are no traces, and the log says so at the start; a word that makes no sense is an error there.
// Neither is a reason not to serve.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		environ env
		traces  string
		problem bool
	}{
		{env{}, "off: OTEL_TRACES_EXPORTER is none (the default here), or OTEL_SDK_DISABLED is true", false},
		{env{"OTEL_TRACES_EXPORTER": "otlp"}, "off: the error was logged", true},
	} {
		seen := make(chan http.Header, 1)
		row.environ["GATEWAY_APP"] = backend(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Clone()
		}))
		g := serve(t, row.environ)
		if got := g.waitLogged("gateway started")["traces"]; got != row.traces {
			t.Errorf("traces %q, want %q", got, row.traces)
		}
		if got := len(g.logged("no traces are sent")) > 0; got != row.problem {
			t.Errorf("an error about traces: %v, want %v", got, row.problem)
		}
		req, err := http.NewRequest(http.MethodGet, g.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		req.Header.Set("Traceparent", traceparent)
		exchange(t, http.DefaultTransport, req)
		if got := (<-seen).Get("Traceparent"); got != traceparent {
			t.Errorf("traceparent = %q, want it as it came", got)
		}
	}
}

// A Collector for traces that is away is told of once, and nobody's trouble: not the requests', not the end's.
func TestTracesWithoutCollector(t *testing.T) {
	t.Parallel()
	g := serve(t, env{
		"GATEWAY_APP": app(t, "app"), "OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "50",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://" + testserver.Addr(t), // nobody is there
	})
	requests := g.load("/")
	g.waitLogged("spans lost: the collector does not take them fast enough, or not at all")
	requests.none(t)
	if n := len(g.logged("spans not exported, trying the next ones")); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	_, scrape, err := fetch(g.admin + "/metrics")
	if err != nil || !strings.Contains(scrape, "gateway_spans_dropped_total") ||
		strings.Contains(scrape, "gateway_spans_dropped_total 0") {
		t.Errorf("GET /metrics: %v, without spans that were lost", err)
	}
}

// childOf is the one span whose parent that is.
func childOf(t *testing.T, collector *testserver.CollectorServer, parent string) testserver.Span {
	t.Helper()
	var found []testserver.Span
	for _, s := range collector.Spans(t) {
		if s.Parent == parent {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans with parent %s, want 1; all:\n%+v", len(found), parent, collector.Spans(t))
	}
	return found[0]
}
