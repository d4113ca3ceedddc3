package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer gives requests their place in a trace, and makes spans of those that are recorded, once they have ended. Safe
// from any goroutine.
type Tracer struct {
	root    context.Context // of requests that nobody has traced so far; nothing waits by it
	formats Formats
	parent  bool             // the caller's word on sampling holds
	sampler sdktrace.Sampler // decides where nobody has
	batches sdktrace.SpanProcessor
	waiting atomic.Int64 // spans that are not sent yet
	longest int64        // how many may wait
	lost    *Counter     // spans that nobody gets

	// What the spans say of who made them:
	resource *resource.Resource
	scope    instrumentation.Scope
}

// newTracer begins to hand spans to the exporter. Nothing but spans that have ended is held, and never more than the
// queue's length. Those that nobody gets are counted by lost.
func newTracer(ctx context.Context, to sdktrace.SpanExporter, s *tracesSettings, r *resource.Resource, lost *Counter,
	log hclog.Logger, version string,
) *Tracer {
	t := &Tracer{
		root:    trace.ContextWithSpanContext(context.WithoutCancel(ctx), trace.SpanContext{}),
		formats: s.formats, parent: s.parent, sampler: s.sampler, longest: int64(s.queue), lost: lost, resource: r,
		scope: instrumentation.Scope{Name: scopeName, Version: version},
	}
	t.batches = sdktrace.NewBatchSpanProcessor(
		&spanExporter{SpanExporter: to, tracer: t, log: log, endpoint: s.endpoint},
		// All that the SDK would take from variables, since it takes those that make no sense.
		sdktrace.WithMaxQueueSize(s.queue),
		sdktrace.WithMaxExportBatchSize(s.batch),
		sdktrace.WithBatchTimeout(s.delay),
		sdktrace.WithExportTimeout(s.patience),
	)
	return t
}

// Formats are those in which requests carry their trace.
func (t *Tracer) Formats() Formats { return t.formats }

// Begin gives a request its place in the trace of which c tells, or in one that begins with it. It neither blocks nor
// allocates.
func (t *Tracer) Begin(c TraceContext) Trace {
	var span spanID
	newID(span[:])
	decided := c.decided && t.parent
	if c.trace == (traceID{}) {
		newID(c.trace[:8])
		newID(c.trace[8:])
	}
	if !decided {
		c.flags &^= flagSampled
		p := sdktrace.SamplingParameters{ParentContext: t.root, TraceID: trace.TraceID(c.trace)}
		if t.sampler.ShouldSample(p).Decision == sdktrace.RecordAndSample {
			c.flags |= flagSampled
		}
	}
	return Trace{formats: t.formats, context: c, span: span}
}

// newID fills eight bytes, not all of them with zero.
func newID(b []byte) {
	n := rand.Uint64()
	for n == 0 {
		n = rand.Uint64()
	}
	binary.BigEndian.PutUint64(b, n)
}

// take takes places for n spans, unless too many wait: then they are lost, and counted.
func (t *Tracer) take(n int) bool {
	if t.waiting.Add(int64(n)) > t.longest {
		t.waiting.Add(-int64(n))
		t.lost.Add(int64(n))
		return false
	}
	return true
}
