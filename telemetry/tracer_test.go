package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// collected takes spans: at once, or not before it is let.
type collected struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	err   error
	wait  chan struct{} // nil: nothing is waited for
}

func (c *collected) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if c.wait != nil {
		select {
		case <-c.wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
	return c.err
}

func (*collected) Shutdown(context.Context) error { return nil }

// tracerTo is a tracer as the variables say, whose spans go to c.
func tracerTo(t *testing.T, c *collected, lost *Counter, log hclog.Logger, env string) *Tracer {
	t.Helper()
	s, err := readSettings(variables("OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 " + env))
	if err = errors.Join(err, s.tracesErr); err != nil || len(s.warnings) > 0 {
		t.Fatal(err, s.warnings)
	}
	return newTracer(t.Context(), c, &s.traces, resource.Empty(), lost, log, "1")
}

// Who decides whether a trace is recorded: the caller, where its word is asked for and it has said one; else the
// sampler.
func TestSampling(t *testing.T) {
	context := func(decided bool, flags uint8) TraceContext {
		return TraceContext{trace: traceID{15: 0xff, 8: 0xff}, span: spanID{1}, decided: decided, flags: flags}
	}
	for _, row := range []struct {
		sampler           string
		none              bool // the trace begins here
		yes, no, deferred bool // the caller's word
	}{
		{"always_on", true, true, true, true},
		{"always_off", false, false, false, false},
		{"traceidratio", false, false, false, false},
		{"parentbased_always_on", true, true, false, true},
		{"parentbased_always_off", false, true, false, false},
		{"parentbased_traceidratio", false, true, false, false},
	} {
		lost := new(Counter)
		tr := tracerTo(t, new(collected), lost, hclog.NewNullLogger(), "OTEL_TRACES_SAMPLER="+row.sampler+
			" OTEL_TRACES_SAMPLER_ARG=1e-18")
		for name, c := range map[string]struct {
			from TraceContext
			want bool
		}{
			"begins here": {TraceContext{}, row.none},
			"sampled":     {context(true, flagSampled), row.yes},
			"not sampled": {context(true, flagRandom), row.no},
			"deferred":    {context(false, 0), row.deferred},
			"only a yes":  {TraceContext{decided: true, flags: flagSampled}, row.yes},
			"only a no":   {TraceContext{decided: true}, row.no},
		} {
			place := tr.Begin(c.from)
			if place.Sampled() != c.want || !place.On() {
				t.Errorf("%s, %s: sampled %v, want %v", row.sampler, name, place.Sampled(), c.want)
			}
			if c.from.trace != (traceID{}) && place.context.trace != c.from.trace ||
				place.context.trace == (traceID{}) ||
				place.context.flags&flagRandom != c.from.flags&flagRandom {
				t.Errorf("%s, %s: trace %x with flags %x", row.sampler, name, place.context.trace, place.context.flags)
			}
		}
		_ = tr.batches.Shutdown(t.Context()) // nothing was recorded
	}
}

// What begins with Start ends with Shutdown, whether or not there are metrics too.
func TestTracesEndWithShutdown(t *testing.T) {
	for _, metrics := range []string{"none", "otlp"} {
		clearOTEL(t)
		t.Setenv(envEndpoint, "http://"+testserver.Addr(t)) // nobody is there
		t.Setenv(envTracesExporter, "otlp")
		t.Setenv("OTEL_METRICS_EXPORTER", metrics)
		t.Run(metrics, func(t *testing.T) {
			testserver.Goroutines(t)
			r := NewRegistry()
			p, err := Start(t.Context(), options(r, nil))
			if to, tracesErr := p.TracesTo(); errors.Join(err, tracesErr) != nil || p.Tracer() == nil || to == "" {
				t.Fatal(err, tracesErr, to)
			}
			place := p.Tracer().Begin(TraceContext{})
			p.Tracer().Record(&place, &Record{Time: time.Now()}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), longestWait)
			defer cancel()
			_ = p.Shutdown(ctx) // nobody takes the last state
			if n := r.SpansDropped.Load(); n != 1 {
				t.Errorf("%d spans lost, want 1", n)
			}
		})
	}
}

// A collector that takes nothing costs requests nothing: they do not wait, and what is held is bounded. What is lost is
// counted, and told of once.
func TestSlowCollectorCostsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		lost, c := new(Counter), &collected{wait: make(chan struct{})}
		tr := tracerTo(t, c, lost, log.logger(), "OTEL_BSP_MAX_QUEUE_SIZE=100")
		place := tr.Begin(TraceContext{})
		r := &Record{Time: time.Now(), Method: []byte("GET"), Status: 200}
		begun := time.Now()
		for range 1000 {
			tr.Record(&place, r, []Attempt{{Endpoint: "a:1", Status: 200}})
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("requests waited for %v", took)
		}
		if got := lost.Load(); got != 1900 {
			t.Errorf("%d spans lost, want 1900 of 2000", got)
		}
		if got := tr.waiting.Load(); got != 100 {
			t.Errorf("%d spans wait, want 100", got)
		}
		<-time.After(time.Minute) // the batch is given up
		synctest.Wait()
		if got := lost.Load(); got != 2000 || tr.waiting.Load() != 0 {
			t.Errorf("%d spans lost, want all; %d wait", got, tr.waiting.Load())
		}
		close(c.wait)
		tr.Record(&place, r, nil)
		<-time.After(time.Minute)
		synctest.Wait()
		if len(c.spans) != 1 || lost.Load() != 2000 {
			t.Errorf("%d spans arrived, want the one behind; %d lost", len(c.spans), lost.Load())
		}
		if err := tr.batches.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"spans not exported", "spans lost", "spans exported again"} {
			if n := len(log.with(want)); n != 1 {
				t.Errorf("%d lines %q, want 1; all: %q", n, want, log.with(""))
			}
		}
	})
}

func TestSpans(t *testing.T) {
	began := time.Unix(1000, 0)
	refused := errors.New("connect: connection refused")
	base := Record{
		Time: began, Method: []byte("GET"), Path: []byte("/a"), Query: []byte("secret=1"), Host: []byte("app.test:81"),
		Protocol: "HTTP/1.1", Status: 200, Duration: time.Second, Peer: "10.0.0.9", Listener: "web", Route: "r",
		Cluster: "c", Revision: "rev", RequestID: []byte("id"), UserAgent: []byte("ua"),
	}
	call := []byte("/pkg.Svc/Get")
	ok := Attempt{Endpoint: "10.0.0.1:80", After: time.Millisecond, Took: time.Second / 2, Status: 200}
	with := func(f func(*Record)) Record {
		r := base
		f(&r)
		return r
	}
	for _, row := range []struct {
		name     string
		record   Record
		attempts []Attempt
		want     []string // a line for each span, attempts first as they end first
	}{
		{"answered", base, []Attempt{ok}, []string{
			"client GET 1ms+500ms status=200 endpoint=10.0.0.1:80",
			"server GET r 0s+1s status=200",
		}},
		{"retried, ejected, queued", with(func(r *Record) { r.QueuedAfter, r.Queued = time.Millisecond, time.Second }),
			[]Attempt{
				{Endpoint: "10.0.0.2:80", Took: time.Second, Flag: UF, Cause: refused, Ejected: true}, ok,
			}, []string{
				"client GET 0s+1s endpoint=10.0.0.2:80 flag=UF event=gateway.endpoint.ejected@1s error=UF: " +
					refused.Error(),
				"client GET 1ms+500ms status=200 endpoint=10.0.0.1:80 resent=1 link",
				"server GET r 0s+1s status=200 event=gateway.queued@1ms",
			}},
		{"no route", with(func(r *Record) { r.Route, r.Cluster, r.Status, r.Flag = "", "", 404, NR }), nil, []string{
			"server GET 0s+1s status=404 flag=NR",
		}},
		{"an error of the endpoint's", with(func(r *Record) { r.Status = 500 }),
			[]Attempt{{Endpoint: "10.0.0.1:80", Status: 500}}, []string{
				"client GET 0s+0s status=500 endpoint=10.0.0.1:80 error=500: ",
				"server GET r 0s+1s status=500 error=500: ",
			}},
		{"an error of the client's", with(func(r *Record) { r.Status = 404 }),
			[]Attempt{{Endpoint: "10.0.0.1:80", Status: 404}}, []string{
				"client GET 0s+0s status=404 endpoint=10.0.0.1:80 error=404: ",
				"server GET r 0s+1s status=404",
			}},
		{"broken off behind its head", with(func(r *Record) { r.Flag, r.Reason = UC, refused }),
			[]Attempt{{Endpoint: "10.0.0.1:80", Status: 200, Flag: UC, Cause: refused}}, []string{
				"client GET 0s+0s status=200 endpoint=10.0.0.1:80 flag=UC error=UC: " + refused.Error(),
				"server GET r 0s+1s status=200 flag=UC error=UC: " + refused.Error(),
			}},
		{"another method", with(func(r *Record) { r.Method = []byte("BREW") }), nil, []string{
			"server HTTP r 0s+1s status=200 original=BREW",
		}},
		{"gRPC", with(func(r *Record) { r.Path, r.Call, r.GRPC, r.GRPCStatus = call, true, true, 14 }),
			[]Attempt{{Endpoint: "10.0.0.1:80", Status: 200, GRPC: true, GRPCStatus: 14}}, []string{
				"client pkg.Svc/Get 0s+0s status=200 rpc=pkg.Svc/Get/14 endpoint=10.0.0.1:80 error=14: ",
				"server pkg.Svc/Get 0s+1s status=200 rpc=pkg.Svc/Get/14 error=14: ",
			}},
		{"gRPC, tried again", with(func(r *Record) { r.Path, r.Call, r.GRPC = call, true, true }), []Attempt{
			{Endpoint: "10.0.0.1:80", Status: 200, GRPC: true, GRPCStatus: 14},
			{Endpoint: "10.0.0.1:80", Status: 200, GRPC: true},
		}, []string{
			"client pkg.Svc/Get 0s+0s status=200 rpc=pkg.Svc/Get/14 endpoint=10.0.0.1:80 error=14: ",
			"client pkg.Svc/Get 0s+0s status=200 rpc=pkg.Svc/Get/0 endpoint=10.0.0.1:80 resent=1 link",
			"server pkg.Svc/Get 0s+1s status=200 rpc=pkg.Svc/Get/0",
		}},
		{"gRPC without its status", with(func(r *Record) { r.Path, r.Call, r.Status = call, true, 503 }),
			[]Attempt{{Endpoint: "10.0.0.1:80", Status: 503}}, []string{
				"client pkg.Svc/Get 0s+0s status=503 rpc=pkg.Svc/Get/ endpoint=10.0.0.1:80 error=503: ",
				"server pkg.Svc/Get 0s+1s status=503 rpc=pkg.Svc/Get/ error=503: ",
			}},
		{"gRPC, not found", with(func(r *Record) { r.Path, r.Call, r.GRPC, r.GRPCStatus = call, true, true, 5 }),
			nil, []string{"server pkg.Svc/Get 0s+1s status=200 rpc=pkg.Svc/Get/5"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			lost, c := new(Counter), new(collected)
			tr := tracerTo(t, c, lost, hclog.NewNullLogger(), "")
			from, _ := ParseTraceparent([]byte("00-" + testTrace + "-" + testSpan + "-01"))
			place := tr.Begin(from)
			tr.Record(&place, &row.record, row.attempts)
			if err := tr.batches.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, s := range c.spans {
				got = append(got, spanLine(s, began))
				parent, id := place.span, place.attemptSpan(i+1)
				if s.SpanKind().String() == "server" {
					parent, id = spanID{0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}, place.span
				}
				if sc := s.SpanContext(); spanID(s.Parent().SpanID()) != parent || spanID(sc.SpanID()) != id ||
					sc.TraceID().String() != testTrace || !sc.IsSampled() {
					t.Errorf("%s: context %v with parent %v, want %x and %x", s.Name(), sc, s.Parent(), id, parent)
				}
				text := fmt.Sprint(s.Attributes())
				if strings.Contains(text, "secret") || !strings.Contains(text, "rev") {
					t.Errorf("%s: attributes %s", s.Name(), text)
				}
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("spans:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}

// spanLine is what a test looks at of a span.
func spanLine(s sdktrace.ReadOnlySpan, began time.Time) string {
	values := map[string]string{}
	for _, kv := range s.Attributes() {
		values[string(kv.Key)] = kv.Value.String()
	}
	line := fmt.Sprintf("%v %s %v+%v", s.SpanKind(), s.Name(), s.StartTime().Sub(began), s.EndTime().Sub(s.StartTime()))
	add := func(name, value string) {
		if value != "" {
			line += " " + name + "=" + value
		}
	}
	add("status", values["http.response.status_code"])
	if values["rpc.system"] != "" {
		add("rpc", values["rpc.service"]+"/"+values["rpc.method"]+"/"+values["rpc.grpc.status_code"])
	}
	if s.SpanKind().String() == "client" {
		add("endpoint", values["server.address"]+":"+values["server.port"])
	} else if values["server.address"] != "app.test" || values["server.port"] != "81" {
		line += " at " + values["server.address"]
	}
	add("original", values["http.request.method_original"])
	add("resent", values["http.request.resend_count"])
	add("flag", values["gateway.flag"])
	for _, e := range s.Events() {
		add("event", e.Name+"@"+e.Time.Sub(began).String())
	}
	for range s.Links() {
		line += " link"
	}
	if values["error.type"] != "" || s.Status().Code.String() == "Error" {
		add("error", values["error.type"]+": "+s.Status().Description)
	}
	return line
}

// A span answers whatever the SDK and its exporters may ask. A method that a later release adds would be asked of what
// is not there.
func TestSpanAnswersAll(t *testing.T) {
	tr := tracerTo(t, new(collected), new(Counter), hclog.NewNullLogger(), "")
	place := tr.Begin(TraceContext{})
	try := Attempt{Endpoint: "a:1", Flag: UF, Cause: errors.New("refused")}
	e := newEnded(tr, &place, &Record{Status: 503, Flag: UF}, []Attempt{try, try})
	for _, s := range []*span{
		{of: e}, {of: e, attempt: &e.attempts[0], number: 1}, {of: e, attempt: &e.attempts[1], number: 2},
	} {
		for m := range reflect.TypeFor[sdktrace.ReadOnlySpan]().Methods() {
			if m.IsExported() {
				reflect.ValueOf(s).MethodByName(m.Name).Call(nil)
			}
		}
	}
	if err := tr.batches.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a request's texts stand in is used again as soon as Record has returned.
func TestSpanKeepsNothingOfTheRequest(t *testing.T) {
	c := new(collected)
	tr := tracerTo(t, c, new(Counter), hclog.NewNullLogger(), "")
	place := tr.Begin(TraceContext{})
	text := bytes.Repeat([]byte("a"), 8)
	why := &mutable{"a"}
	r := &Record{
		Method: text, Path: text, Host: text, RemoteIP: text, UserAgent: text, RequestID: text, Status: 502, Flag: UF,
		Reason: why,
	}
	attempts := []Attempt{{Endpoint: "a", Flag: UF, Cause: why}}
	tr.Record(&place, r, attempts)
	copy(text, "bbbbbbbb")
	why.text, attempts[0] = "b", Attempt{Endpoint: "b"}
	*r = Record{Path: text, Route: "b"}
	if err := tr.batches.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, s := range c.spans {
		for _, kv := range s.Attributes() {
			if v := kv.Value.String(); strings.Contains(v, "b") {
				t.Errorf("%s %s: %s=%s", s.SpanKind(), s.Name(), kv.Key, v)
			}
		}
		if d := s.Status().Description; d != "a" {
			t.Errorf("%s: status %q", s.SpanKind(), d)
		}
	}
	if len(c.spans) != 2 {
		t.Errorf("%d spans, want 2", len(c.spans))
	}
}

type mutable struct{ text string }

func (m *mutable) Error() string { return m.text }

// A field that a record gets later must not bring memory of the request with it either.
func TestEndedHasNoBytesOfTheRequest(t *testing.T) {
	r := &Record{}
	for _, v := range reflect.ValueOf(r).Elem().Fields() {
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes([]byte("text"))
		}
	}
	e := newEnded(nil, new(Trace), r, nil)
	for field, v := range reflect.ValueOf(&e.record).Elem().Fields() {
		if v.Kind() == reflect.Slice && !v.IsNil() {
			t.Errorf("%s is the request's own", field.Name)
		}
	}
}

// A recorded request costs its client only the copy of what it tells: attributes are for the exporter's goroutine.
func TestRecordAllocatesLittle(t *testing.T) {
	tr := tracerTo(t, new(collected), new(Counter), hclog.NewNullLogger(), "OTEL_BSP_MAX_QUEUE_SIZE=65536")
	place := tr.Begin(TraceContext{})
	text := []byte("text")
	r := &Record{
		Method: []byte("GET"), Path: text, Host: text, UserAgent: text, RequestID: text, Protocol: "HTTP/1.1",
		Status: 200,
	}
	attempts := []Attempt{{Endpoint: "10.0.0.1:80", Status: 200}}
	if n := testing.AllocsPerRun(100, func() { tr.Record(&place, r, attempts) }); n > 8 {
		t.Errorf("%v allocations, want at most 8", n)
	}
	if err := tr.batches.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
