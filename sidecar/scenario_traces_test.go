package sidecar_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A request from app to app by two gateways is one trace of four spans, whatever is spoken on the way and to the
// Collector, and whoever carries the request.
func TestTraceOverTwoGateways(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		protocol string // of OTLP
		h2       bool   // on the whole way
		formats  string
	}{
		{"HTTP/1.1, gRPC", "grpc", false, "tracecontext"},
		{"HTTP/2, OTLP over HTTP", "http/protobuf", true, "tracecontext,b3"},
		{"HTTP/1.1 by B3", "grpc", false, "b3multi"},
		{"HTTP/2 by B3", "grpc", true, "b3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			collector := testserver.Collector(t)
			endpoint := collector.Endpoint()
			if row.protocol != "grpc" {
				endpoint = collector.EndpointHTTP()
			}
			var protocols http.Protocols
			protocols.SetHTTP1(!row.h2)
			protocols.SetUnencryptedHTTP2(row.h2)
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
				write(t, file, "routes: [{name: all, cluster: c}]\nclusters: [{name: c, endpoints: ['"+to+"']"+protocol+"}]\n")
				return serve(t, env{
					"GATEWAY_CONFIG": file, "GATEWAY_SERVICE": name, "OTEL_TRACES_EXPORTER": "otlp",
					"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint + map[string]string{"http/protobuf": "/v1/traces"}[row.protocol],
					"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": row.protocol, "OTEL_PROPAGATORS": row.formats,
					"OTEL_BSP_SCHEDULE_DELAY": "50",
				})
			}
			second := gateway("second", strings.TrimPrefix(app.URL, "http://"))
			first := gateway("first", strings.TrimPrefix(second.url, "http://"))

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
			transport := &http.Transport{Protocols: &protocols}
			t.Cleanup(transport.CloseIdleConnections)
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			testserver.WaitFor(t, longestWait, "four spans", func() bool { return len(collector.Spans(t)) >= 4 })

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
					t.Errorf("%s at the app: %q, want the span %s where it is among %s", name, want, parent, row.formats)
				}
			}
			if strings.HasPrefix(row.formats, "tracecontext") && header.Get("Tracestate") != "a=1" {
				t.Errorf("tracestate = %q, want a=1", header.Get("Tracestate"))
			}
		})
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
