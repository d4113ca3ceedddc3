package telemetry

import (
	"encoding/binary"
	"encoding/hex"
)

// Trace is the place of one request in its trace. The zero value is none: the request is not looked at. It is small and
// has no pointers, since every request carries one.
type Trace struct {
	formats Formats // in which it goes on
	context TraceContext
	span    spanID // of the request; zero: there is none
	attempt uint32 // the number of the attempt that is made now
}

// On tells whether the request has a place in a trace, be it recorded or not.
func (t *Trace) On() bool { return t.span != spanID{} }

// Sampled tells whether the trace is recorded.
func (t *Trace) Sampled() bool { return t.context.flags&flagSampled != 0 }

// Formats are those in which the trace goes on to the endpoint. The request's own fields of these formats do not.
func (t *Trace) Formats() Formats { return t.formats }

// KeepsState tells whether the request's own tracestate goes on.
func (t *Trace) KeepsState() bool { return t.context.KeepsState() }

// Attempt says which attempt is made now, from 1: its span is what the endpoint's span is the child of.
func (t *Trace) Attempt(n int) { t.attempt = uint32(n) }

// attemptSpan is the span of the nth attempt. It follows from the request's, so that nobody has to keep it.
func (t *Trace) attemptSpan(n int) (id spanID) {
	next := binary.BigEndian.Uint64(t.span[:]) + uint64(n)
	if next == 0 {
		next = ^uint64(0)
	}
	binary.BigEndian.PutUint64(id[:], next)
	return id
}

// AppendTraceparent appends the value of traceparent for the attempt that is made now.
func (t *Trace) AppendTraceparent(dst []byte) []byte {
	return appendTraceparent(dst, t.context.trace, t.attemptSpan(int(t.attempt)), t.context.flags)
}

// AppendB3 appends the value of b3 for the attempt that is made now.
func (t *Trace) AppendB3(dst []byte) []byte {
	return appendB3(dst, t.context.trace, t.attemptSpan(int(t.attempt)), t.context.flags)
}

// AppendTraceID appends the id of the trace.
func (t *Trace) AppendTraceID(dst []byte) []byte { return hex.AppendEncode(dst, t.context.trace[:]) }

// AppendSpanID appends the id of the request's span.
func (t *Trace) AppendSpanID(dst []byte) []byte { return hex.AppendEncode(dst, t.span[:]) }

// AppendAttemptID appends the id of the span of the attempt that is made now.
func (t *Trace) AppendAttemptID(dst []byte) []byte {
	id := t.attemptSpan(int(t.attempt))
	return hex.AppendEncode(dst, id[:])
}
