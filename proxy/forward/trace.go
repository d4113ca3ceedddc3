package forward

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Decide asks the table that serves now what is to be done with the request h, as [route.Table.Decide] says. It also
// gives the request its place in a trace. Nothing in it blocks.
func (e *Engine) Decide(d *route.Decision, h *message.Head, c *route.Client, start int64,
	w *Workspace,
) *route.LocalReply {
	reply := e.Table().Decide(d, h, c, start, &w.Workspace)
	if e.Tracer != nil {
		d.Trace = e.Tracer.Begin(traceContext(h, e.Tracer.Formats()))
	}
	return reply
}

// traceContext is what h says about its trace in the formats that are asked for. Of more than one that is valid, W3C's
// counts, then B3's single field.
func traceContext(h *message.Head, f telemetry.Formats) telemetry.TraceContext {
	if f.Has(telemetry.W3C) && h.Count(message.Traceparent) == 1 {
		if c, ok := telemetry.ParseTraceparent(h.Get(message.Traceparent)); ok {
			return c
		}
	}
	if f.Has(telemetry.B3) && h.Present.Has(message.B3) {
		if c, ok := telemetry.ParseB3(h.Get(message.B3)); ok {
			return c
		}
	}
	if f.Has(telemetry.B3Multi) && h.Present&b3Multi != 0 {
		if c, ok := telemetry.ParseB3Multi(h.Get(message.XB3TraceID), h.Get(message.XB3SpanID),
			h.Get(message.XB3Sampled), h.Get(message.XB3Flags)); ok {
			return c
		}
	}
	return telemetry.TraceContext{}
}

// b3Multi are the fields of B3's multiple form.
var b3Multi = message.Of(message.XB3TraceID, message.XB3SpanID, message.XB3ParentSpanID, message.XB3Sampled,
	message.XB3Flags)

// traceFields are the request's own fields about its trace that do not go on: others stand for them.
func traceFields(t *telemetry.Trace) (s message.Set) {
	if !t.On() {
		return 0
	}
	f := t.Formats()
	if f.Has(telemetry.W3C) {
		s = message.Of(message.Traceparent)
		if !t.KeepsState() {
			s |= message.Of(message.Tracestate)
		}
	}
	if f.Has(telemetry.B3) {
		s |= message.Of(message.B3)
	}
	if f.Has(telemetry.B3Multi) {
		s |= b3Multi
	}
	return s
}

// addTrace tells the endpoint which span its own is the child of: that of the attempt.
func (r *requestHead) addTrace(to sink) {
	t := &r.decision.Trace
	if !t.On() {
		return
	}
	f, b := t.Formats(), r.work.trace[:0]
	add := func(id message.ID, appendTo func(*telemetry.Trace, []byte) []byte) {
		from := len(b) // HTTP/2 keeps the value until the head is whole: each has a place of its own
		b = appendTo(t, b)
		r.addID(to, id, b[from:])
	}
	if f.Has(telemetry.W3C) {
		add(message.Traceparent, (*telemetry.Trace).AppendTraceparent)
	}
	if f.Has(telemetry.B3) {
		add(message.B3, (*telemetry.Trace).AppendB3)
	}
	if f.Has(telemetry.B3Multi) {
		add(message.XB3TraceID, (*telemetry.Trace).AppendTraceID)
		add(message.XB3SpanID, (*telemetry.Trace).AppendAttemptID)
		sampled := b3NotSampled
		if t.Sampled() {
			sampled = b3Sampled
		}
		r.addID(to, message.XB3Sampled, sampled)
	}
	r.work.trace = b
}

// How B3 tells whether a trace is recorded. Not to be edited.
var (
	b3Sampled    = []byte("1")
	b3NotSampled = []byte("0")
)
