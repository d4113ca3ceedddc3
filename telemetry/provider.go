package telemetry

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Options says whose metrics are exported.
type Options struct {
	Registry *Registry    // nil: nothing is exported
	Logger   hclog.Logger // nil: nothing is logged
	Service  string       // service.name, unless a variable names another
	Instance string       // service.instance.id, likewise
	Version  string       // service.version, likewise; empty: left out
}

// Provider exports a registry until it is shut down. One that has nothing to
// export holds no goroutine and no connection, and its methods do nothing.
type Provider struct {
	sdk *metric.MeterProvider // nil when nothing is exported
}

// Start begins to export if the OTEL_* variables name a collector. It does not
// wait for that collector. Values that cannot be used are logged by name and
// replaced by their defaults; those without which exporting makes no sense are
// the error. The provider can be used even then: it exports nothing.
func Start(ctx context.Context, o Options) (*Provider, error) {
	log := o.Logger
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s, err := readSettings(os.Getenv)
	for _, w := range s.warnings {
		log.Warn("env " + w)
	}
	if err != nil || !s.export || o.Registry == nil {
		return &Provider{}, err
	}
	quieten(log)
	otlp, err := newOTLP(ctx, s)
	if err != nil {
		return &Provider{}, fmt.Errorf("env %s: %q: %w", envEndpoint, s.endpoint, err)
	}
	producer := newProducer(o.Registry, o.Version, otlp.Temporality)
	reader := metric.NewPeriodicReader(
		&exporter{Exporter: otlp, producer: producer, log: log, endpoint: s.endpoint},
		metric.WithProducer(producer),
	)
	return &Provider{metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(newResource(ctx, o)))}, nil
}

// quieten takes from the SDK the two loggers that it has for the whole process.
// What it says on the one was said already, by readSettings, with the variable's
// name and without the secrets in its value. On the other comes each failed
// export; exporter logs the first of a row.
func quieten(log hclog.Logger) {
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("opentelemetry", "error", err) }))
}

// newOTLP opens no connection yet: that is for the first export.
func newOTLP(ctx context.Context, s settings) (*otlpmetricgrpc.Exporter, error) {
	// A collector that comes back is found within this time, where gRPC would
	// wait for up to two minutes.
	reconnect := backoff.DefaultConfig
	reconnect.MaxDelay = 10 * time.Second
	options := []otlpmetricgrpc.Option{
		// The next interval is the retry: it sends the newer state, and a process
		// that ends does not wait for a collector that is away.
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: false}),
		otlpmetricgrpc.WithDialOption(
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 10 * time.Second}),
			grpc.WithDisableServiceConfig(),
		),
	}
	if s.target != "" {
		options = append(options, otlpmetricgrpc.WithEndpoint(s.target))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// newResource says who we are. OTEL_SERVICE_NAME wins over
// OTEL_RESOURCE_ATTRIBUTES, which win over the options.
func newResource(ctx context.Context, o Options) *resource.Resource {
	ours := []attribute.KeyValue{
		attribute.String("service.name", label(o.Service)),
		attribute.String("service.instance.id", label(o.Instance)),
		attribute.String("gateway.role", "sidecar"),
	}
	if o.Version != "" {
		ours = append(ours, attribute.String("service.version", label(o.Version)))
	}
	// An entry of the variable that is no pair was warned of by checkPairs; the
	// others are in the resource all the same.
	r, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(ours...), resource.WithFromEnv())
	if r == nil {
		otel.Handle(err)
		return resource.NewSchemaless(ours...)
	}
	return r
}

// Shutdown sends the last state and ends the exporter's goroutines. It takes no
// longer than ctx allows, which should be a few seconds: a collector that
// refuses is noticed at once, one that is silent is waited for.
func (p *Provider) Shutdown(ctx context.Context) error {
	if p.sdk == nil {
		return nil
	}
	return p.sdk.Shutdown(ctx)
}
