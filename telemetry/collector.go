package telemetry

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Collector is where the OTEL_* variables send one signal, and whether it gets there.
type Collector struct {
	Signal   string // metrics or traces
	Endpoint string // without secrets; empty: the variables make no sense, which is the Err
	Err      error  // nil: a message was taken
}

// Collectors sends each collector that the OTEL_* variables name a message with nothing in it. It goes as a gateway
// would send its own: over the same protocol, with the same headers and certificates. The warnings are about values
// that are not used. It waits no longer than ctx.
func Collectors(ctx context.Context) (all []Collector, warnings []string) {
	quieten(hclog.NewNullLogger())
	s, err := readSettings(os.Getenv)
	if err != nil {
		all = append(all, Collector{"metrics", "", err})
	} else if s.export {
		all = append(all, Collector{"metrics", s.endpoint, sendNoMetrics(ctx, s.destination)})
	}
	if s.tracesErr != nil {
		all = append(all, Collector{"traces", "", s.tracesErr})
	} else if s.traces.export {
		all = append(all, Collector{"traces", s.traces.endpoint, sendNoSpans(ctx, s.traces.destination)})
	}
	return all, s.warnings
}

func sendNoMetrics(ctx context.Context, d destination) error {
	otlp, err := newOTLP(ctx, d)
	if err != nil {
		return err
	}
	err = otlp.Export(ctx, &metricdata.ResourceMetrics{Resource: resource.Empty()})
	return sent(err, otlp.Shutdown(context.WithoutCancel(ctx)))
}

func sendNoSpans(ctx context.Context, d destination) error {
	client := newTraceClient(d)
	if err := client.Start(ctx); err != nil {
		return err
	}
	err := client.UploadTraces(ctx, nil)
	return sent(err, client.Stop(context.WithoutCancel(ctx)))
}

// sent says in a few words why a message did not arrive; the end of the exporter closes a connection only.
func sent(err, end error) error {
	if err = errors.Join(err, end); err == nil {
		return nil
	}
	text := reason(err)
	if _, cause, dialling := strings.Cut(text, "Error while dialing: "); dialling { // gRPC quotes it twice over
		text = strings.TrimSuffix(cause, `"`)
	}
	return errors.New(text)
}
