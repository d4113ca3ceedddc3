package forward

import (
	"context"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// newTracer is a tracer as the variables say, whose collector is away.
func newTracer(t testing.TB, sampler, propagators string) *telemetry.Tracer {
	t.Helper()
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.5",
		"OTEL_PROPAGATORS": propagators, "OTEL_METRICS_EXPORTER": "none",
	} {
		t.Setenv(name, value)
	}
	p, err := telemetry.Start(context.Background(), telemetry.Options{Registry: telemetry.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // nobody takes the spans
	return p.Tracer()
}

// A request whose trace is not recorded costs no memory: not the place in the trace, not the head, not the record.
func TestUnsampledRequestDoesNotAllocate(t *testing.T) {
	for name, tracer := range map[string]*telemetry.Tracer{
		"nothing is traced":    nil,
		"W3C":                  newTracer(t, "always_off", ""),
		"all formats":          newTracer(t, "traceidratio", "tracecontext,b3,b3multi"),
		"by the caller's word": newTracer(t, "parentbased_always_on", "tracecontext"),
	} {
		ex := typical(t, config.Route{Match: config.Match{PathPrefix: "/"}})
		ex.engine.Tracer = tracer
		lim := http1.DefaultLimits()
		raw := "GET / HTTP/1.1\r\nHost: a\r\n" +
			"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n"
		if name == "all formats" {
			raw = strings.ReplaceAll(raw, "211c80319c", "ffffffffff") // a ratio is of the end of the trace's id
		}
		ex.req.Reset()
		if err := http1.ParseRequest([]byte(raw), &ex.req, &lim); err != nil {
			t.Fatal(err)
		}
		var h2 http2.Fields
		dst := make([]byte, 0, 4096)
		one := func() {
			_ = ex.decide()
			ex.decision.Trace.Attempt(1)
			head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
			dst = head.appendH1(dst[:0])
			h2.Reset()
			head.addTrace(&h2)
			ex.record.Status = 200
			ex.write()
		}
		for range 1000 { // the log's buffers grow
			one()
		}
		ex.engine.Log.Flush()
		if ex.decision.Trace.Sampled() || ex.decision.Trace.On() == (tracer == nil) {
			t.Fatalf("%s: sampled %v, on %v", name, ex.decision.Trace.Sampled(), ex.decision.Trace.On())
		}
		if n := testing.AllocsPerRun(200, one); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

// What goes on to the endpoint tells of our span alone, in the formats that were asked for; other fields stay.
func TestTraceFieldsOfTheRequest(t *testing.T) {
	const w3c = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	const b3 = "b3: 5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1\r\n"
	const multi = "x-b3-traceid: 6bf92f3577b34da6a3ce929d0e0e4736\r\nx-b3-spanid: 00f067aa0ba902b7\r\n" +
		"X-B3-ParentSpanId: 10f067aa0ba902b7\r\nx-b3-sampled: 1\r\n"
	const state = "tracestate: a=1\r\n"
	for _, row := range []struct {
		name, formats, in string
		trace             string // how its id begins; empty: any
		want              string // the fields that go on, = behind those that are as they came
	}{
		{"W3C", "tracecontext", w3c + state, "4bf9", "traceparent tracestate="},
		{"W3C is all that is asked for", "tracecontext", w3c + state + b3 + multi, "4bf9",
			"b3= traceparent tracestate= x-b3-parentspanid= x-b3-sampled= x-b3-spanid= x-b3-traceid="},
		{"W3C comes first", "b3multi,b3,tracecontext", w3c + state + b3 + multi, "4bf9",
			"b3 traceparent tracestate= x-b3-sampled x-b3-spanid x-b3-traceid"},
		{"B3 stands in", "tracecontext,b3", state + b3, "5bf9", "b3 traceparent"},
		{"B3 of several fields", "b3multi", state + multi, "6bf9", "tracestate= x-b3-sampled x-b3-spanid x-b3-traceid"},
		{"two of W3C are none", "tracecontext", w3c + w3c + state, "", "traceparent"},
		{"a bad one is none", "tracecontext", "traceparent: 00-1-2-3\r\n" + state, "", "traceparent"},
		{"nothing came", "tracecontext", "", "", "traceparent"},
		{"no format", "none", w3c + state, "", "traceparent= tracestate="},
	} {
		t.Run(row.name, func(t *testing.T) {
			ex := typical(t, config.Route{Match: config.Match{PathPrefix: "/"}})
			ex.engine.Tracer = newTracer(t, "parentbased_always_on", row.formats)
			lim := http1.DefaultLimits()
			ex.req.Reset()
			raw := []byte("GET / HTTP/1.1\r\nHost: a\r\n" + row.in + "\r\n")
			if err := http1.ParseRequest(raw, &ex.req, &lim); err != nil {
				t.Fatal(err)
			}
			_ = ex.decide()
			tr := &ex.decision.Trace
			tr.Attempt(1)
			head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
			var out message.Head
			if err := http1.ParseRequest(head.appendH1(nil), &out, &lim); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range []string{"b3", "traceparent", "tracestate", "x-b3-flags", "x-b3-parentspanid",
				"x-b3-sampled", "x-b3-spanid", "x-b3-traceid"} {
				value, ok := out.Find(name)
				if !ok {
					continue
				}
				if n := out.Count(message.Lookup([]byte(name))); n != 1 {
					t.Errorf("%s: %d of them", name, n)
				}
				came, _ := ex.req.Find(name)
				if string(came) == string(value) && name != "x-b3-traceid" && name != "x-b3-sampled" ||
					!strings.Contains(row.formats, "b3multi") && string(came) == string(value) {
					name += "="
				}
				got = append(got, name)
			}
			if all := strings.Join(got, " "); all != row.want {
				t.Errorf("went on: %s, want %s", all, row.want)
			}
			if id := string(tr.AppendTraceID(nil)); !strings.HasPrefix(id, row.trace) || strings.Trim(id, "0") == "" {
				t.Errorf("trace %s, want %s...", id, row.trace)
			}
			if !tr.Sampled() {
				t.Error("not sampled")
			}
		})
	}
}

// Each attempt tells its endpoint of a span of its own.
func TestEachAttemptHasItsSpan(t *testing.T) {
	tr := newTracer(t, "", "").Begin(telemetry.TraceContext{})
	seen := map[string]bool{string(tr.AppendSpanID(nil)): true}
	for n := 1; n < 10; n++ {
		tr.Attempt(n)
		id := string(tr.AppendAttemptID(nil))
		if seen[id] {
			t.Errorf("attempt %d has the span %s of another", n, id)
		}
		if seen[id] = true; !strings.Contains(string(tr.AppendTraceparent(nil)), id) {
			t.Errorf("attempt %d: traceparent %s is not of %s", n, tr.AppendTraceparent(nil), id)
		}
	}
}

func BenchmarkTraceUnsampled(b *testing.B) {
	for name, tracer := range map[string]*telemetry.Tracer{"none": nil, "unsampled": newTracer(b, "always_off", "")} {
		b.Run(name, func(b *testing.B) {
			ex := typical(b, config.Route{Match: config.Match{PathPrefix: "/"}})
			ex.engine.Tracer = tracer
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				_ = ex.decide()
				head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
				dst = head.appendH1(dst[:0])
			}
		})
	}
}

func BenchmarkTraceSampled(b *testing.B) {
	ex := typical(b, config.Route{Match: config.Match{PathPrefix: "/"}})
	ex.engine.Tracer, ex.engine.Log = newTracer(b, "always_on", ""), nil
	ex.engine.Table().Log = nil
	_ = ex.decide()
	ex.record.Status, ex.record.Start = 200, ex.now()
	b.ReportAllocs()
	for b.Loop() {
		ex.write()
	}
}

// A route that removes the fields of a trace keeps them from its endpoint, and its variable has the id of our trace.
func TestRouteEditsTraceFields(t *testing.T) {
	ex := typical(t, config.Route{
		Match: config.Match{PathPrefix: "/"},
		RequestHeaders: config.HeaderEdits{
			Remove: []string{"traceparent", "x-b3-sampled"},
			Set:    []config.Header{{Name: "x-trace", Value: "${trace_id}"}},
		},
	})
	ex.engine.Tracer = newTracer(t, "always_on", "b3multi,tracecontext")
	ex.req.Fields = nil // nobody has traced it so far
	ex.req.Present = 0
	_ = ex.decide()
	head := requestHead{&ex.req, &ex.decision, ex.client, "10.0.0.1:80", ex.work}
	var out message.Head
	lim := http1.DefaultLimits()
	if err := http1.ParseRequest(head.appendH1(nil), &out, &lim); err != nil {
		t.Fatal(err)
	}
	if out.Present.Has(message.Traceparent) || out.Present.Has(message.XB3Sampled) ||
		!out.Present.Has(message.XB3SpanID) {
		t.Errorf("went on: %s", out.Buf)
	}
	value, _ := out.Find("x-trace")
	if id := ex.decision.Trace.AppendTraceID(nil); string(value) != string(id) {
		t.Errorf("x-trace: %s, want %s", value, id)
	}
}
