package telemetry

import (
	"context"
	"errors"
	"strings"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/status"
)

// exporter stands between the SDK's reader and the OTLP exporter. It sends each scope as a message of its own (see
// maxPoints), and tells the producer what has arrived. It says once that the collector is away, and once that it is
// back.
type exporter struct {
	metric.Exporter
	producer *producer
	log      hclog.Logger
	endpoint string

	failing bool // the reader never exports twice at a time, and this is used by Export alone
}

// Export sends one collection. It stops at the first message that does not
// arrive: behind it the others would only wait for their timeouts.
func (e *exporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	sent, err := e.send(ctx, rm)
	// When only part of a collection arrived, sending all of it again would count
	// that part twice. So the rest is lost, which for cumulative points is nothing.
	if sent > 0 || err == nil {
		e.producer.commit()
	}
	// A reader that is stopped in the middle exports once more as it ends.
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.report(err)
	}
	return err
}

func (e *exporter) send(ctx context.Context, rm *metricdata.ResourceMetrics) (sent int, err error) {
	for i := range rm.ScopeMetrics {
		part := metricdata.ResourceMetrics{Resource: rm.Resource, ScopeMetrics: rm.ScopeMetrics[i : i+1]}
		partErr := e.Exporter.Export(ctx, &part)
		if partErr != nil {
			err = partErr // the last of them speaks for all
			if !arrived(ctx, partErr) {
				return sent, err
			}
		}
		sent++
	}
	return sent, err
}

// partly is how both exporters begin the error that a collector gave in its response: it took the message but not every
// point of it. Their type for it is internal.
const partly = "OTLP partial success: "

// arrived is true of an error with which the message has arrived all the same. All others are a failure to send it, or
// come from ctx.
func arrived(ctx context.Context, err error) bool {
	return strings.Contains(err.Error(), partly) && ctx.Err() == nil
}

func (e *exporter) report(err error) {
	switch {
	case err != nil && !e.failing:
		e.failing = true
		e.log.Warn("metrics not exported, trying again at each interval", "endpoint", e.endpoint, "error", reason(err))
	case err == nil && e.failing:
		e.failing = false
		e.log.Info("metrics exported again", "endpoint", e.endpoint)
	}
}

// maxReasonBytes bounds what of a collector's answer gets into the log.
const maxReasonBytes = 512

// reason is err in the words of gRPC, without what each layer above puts before them.
func reason(err error) string {
	text := err.Error()
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		text = s.GRPCStatus().Code().String() + ": " + s.GRPCStatus().Message()
	}
	return strings.ToValidUTF8(text[:min(len(text), maxReasonBytes)], "\uFFFD")
}
