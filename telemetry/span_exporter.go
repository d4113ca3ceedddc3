package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanExporter stands between the SDK's batches and the OTLP exporter. It makes room for further spans, counts those
// that are lost, and says once that the collector is away and once that it is back.
type spanExporter struct {
	sdktrace.SpanExporter
	tracer   *Tracer
	log      hclog.Logger
	endpoint string

	// The SDK never exports twice at a time, and these are used by ExportSpans alone:
	failing bool
	told    time.Time // when lost spans were last told of
	lost    int64     // how many had been lost by then
}

// lostEvery is the shortest time between two lines about spans that are lost.
const lostEvery = time.Minute

// ExportSpans sends one batch. One that does not arrive is lost: those behind it are newer.
func (e *spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.tracer.waiting.Add(-int64(len(spans)))
	if err != nil && !arrived(ctx, err) {
		e.tracer.lost.Add(int64(len(spans)))
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.report(err)
	}
	return err
}

func (e *spanExporter) report(err error) {
	switch {
	case err != nil && !e.failing:
		e.failing = true
		e.log.Warn("spans not exported, trying the next ones", "endpoint", e.endpoint, "error", reason(err))
	case err == nil && e.failing:
		e.failing = false
		e.log.Info("spans exported again", "endpoint", e.endpoint)
	}
	lost := e.tracer.lost.Load()
	if now := time.Now(); lost > e.lost && now.Sub(e.told) >= lostEvery {
		e.log.Warn("spans lost: the collector does not take them fast enough, or not at all",
			"spans", lost-e.lost, "endpoint", e.endpoint)
		e.told, e.lost = now, lost
	}
}
