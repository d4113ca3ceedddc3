package telemetry

import (
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// maxSpanAttempts bounds the attempts of a request that have a span: the last ones do.
const maxSpanAttempts = 32

// Record hands over spans of a request whose trace is recorded: one of the request, and one for each attempt. Nothing
// of r and attempts is kept. It does not wait for the collector.
func (t *Tracer) Record(place *Trace, r *Record, attempts []Attempt) {
	first := max(0, len(attempts)-maxSpanAttempts)
	attempts = attempts[first:]
	if !t.take(1 + len(attempts)) {
		return
	}
	e := newEnded(t, place, r, attempts)
	spans := make([]span, len(attempts)+1)
	for i := range attempts {
		spans[i] = span{of: e, attempt: &e.attempts[i], number: first + i + 1}
		t.batches.OnEnd(&spans[i])
	}
	request := &spans[len(attempts)]
	request.of = e
	t.batches.OnEnd(request)
}

// ended is a request that has ended, with all that its spans tell. Nothing changes it any more.
type ended struct {
	tracer *Tracer
	place  Trace
	call   call
	// record has no texts in bytes: those were the caller's. What spans tell of them is in the fields below.
	record                        Record
	path, host, client, agent, id string
	attempts                      []Attempt
}

func newEnded(t *Tracer, place *Trace, r *Record, attempts []Attempt) *ended {
	e := &ended{
		tracer: t, place: *place, call: newCall(r), record: *r, path: spanText(r.Path), host: spanText(r.Host),
		client: r.Peer, agent: spanText(r.UserAgent), id: spanText(r.RequestID), attempts: slices.Clone(attempts),
	}
	if r.RemoteIP != nil {
		e.client = string(r.RemoteIP)
	}
	own := &e.record
	own.Method, own.Path, own.Query, own.Host, own.RemoteIP, own.UserAgent = nil, nil, nil, nil, nil, nil
	own.Referer, own.RequestID, own.TraceID, own.SpanID = nil, nil, nil, nil
	own.Reason = ownReason(r.Reason)
	for i := range e.attempts {
		e.attempts[i].Cause = ownReason(e.attempts[i].Cause)
	}
	return e
}

// ownReason is err as a text of its own, since what err points to may be used again.
func ownReason(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(reasonText(err))
}

// span is a span that has ended, as the SDK's batches and its exporter read it. It is of the request, or of one
// attempt. Its attributes are made when they are read: on the exporter's goroutine, and kept by nobody.
type span struct {
	// For the interface's private method alone, which is never called. All others are here: it is always nil.
	sdktrace.ReadOnlySpan
	of      *ended
	attempt *Attempt // nil: of the request
	number  int      // of the attempt, from 1
}

func (s *span) Name() string {
	if s.attempt != nil {
		return s.of.call.name("")
	}
	return s.of.call.name(s.of.record.Route)
}

func (s *span) SpanKind() trace.SpanKind {
	if s.attempt != nil {
		return trace.SpanKindClient
	}
	return trace.SpanKindServer
}

func (s *span) SpanContext() trace.SpanContext {
	p := &s.of.place
	if s.attempt != nil {
		return spanContext(p.context.trace, p.attemptSpan(s.number), false)
	}
	return spanContext(p.context.trace, p.span, false)
}

// Parent is the request's span for an attempt, and the caller's for a request. It is not valid where the trace begins
// here.
func (s *span) Parent() trace.SpanContext {
	p := &s.of.place
	switch {
	case s.attempt != nil:
		return spanContext(p.context.trace, p.span, false)
	case p.context.span == (spanID{}):
		return trace.SpanContext{}
	}
	return spanContext(p.context.trace, p.context.span, true)
}

func (s *span) StartTime() time.Time {
	if s.attempt != nil {
		return s.of.record.Time.Add(s.attempt.After)
	}
	return s.of.record.Time
}

func (s *span) EndTime() time.Time {
	if s.attempt != nil {
		return s.StartTime().Add(s.attempt.Took)
	}
	return s.StartTime().Add(s.of.record.Duration)
}

func (s *span) Attributes() []attribute.KeyValue {
	if s.attempt != nil {
		return s.of.clientAttributes(s.attempt, s.number)
	}
	return s.of.serverAttributes()
}

// Links are to the attempt before.
func (s *span) Links() []sdktrace.Link {
	if s.number < 2 {
		return nil
	}
	p := &s.of.place
	return []sdktrace.Link{{SpanContext: spanContext(p.context.trace, p.attemptSpan(s.number-1), false)}}
}

func (s *span) Events() []sdktrace.Event {
	r := &s.of.record
	switch {
	case s.attempt != nil && s.attempt.Ejected:
		return []sdktrace.Event{{Name: eventEjected, Time: s.EndTime()}}
	case s.attempt == nil && r.Queued > 0:
		return []sdktrace.Event{{
			Name: eventQueued, Time: r.Time.Add(r.QueuedAfter),
			Attributes: []attribute.KeyValue{attrQueueDuration.Float64(r.Queued.Seconds())},
		}}
	}
	return nil
}

func (s *span) Status() sdktrace.Status {
	kind, why := s.of.call.serverError(&s.of.record), s.of.record.Reason
	if s.attempt != nil {
		kind, why = s.of.call.clientError(s.attempt), s.attempt.Cause
	}
	if kind == "" {
		return sdktrace.Status{}
	}
	return sdktrace.Status{Code: codes.Error, Description: reasonText(why)}
}

func (s *span) InstrumentationScope() instrumentation.Scope { return s.of.tracer.scope }

func (s *span) InstrumentationLibrary() instrumentation.Scope { return s.of.tracer.scope }

func (s *span) Resource() *resource.Resource { return s.of.tracer.resource }

func (*span) DroppedAttributes() int { return 0 }

func (*span) DroppedLinks() int { return 0 }

func (*span) DroppedEvents() int { return 0 }

func (*span) ChildSpanCount() int { return 0 }

func spanContext(id traceID, span spanID, remote bool) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(id), SpanID: trace.SpanID(span), TraceFlags: trace.FlagsSampled, Remote: remote,
	})
}
