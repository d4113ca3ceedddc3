package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/go-logr/logr"
	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Options says whose metrics are exported.
type Options struct {
	Registry *Registry    // nil: nothing is exported, and nothing traced
	Logger   hclog.Logger // nil: nothing is logged
	Service  string       // service.name, unless a variable names another
	Instance string       // service.instance.id, likewise
	Version  string       // service.version, likewise; empty: left out
}

// Provider exports a registry until it is shut down. One that has nothing to export holds no goroutine and no
// connection, and its methods do nothing.
type Provider struct {
	sdk    *metric.MeterProvider // nil when no metric is exported
	scrape http.Handler          // nil when nothing is scraped
	tracer *Tracer               // nil when nothing is traced

	metricsTo string // the endpoint of metrics
	tracesTo  string // that of traces
	tracesErr error  // why there is none, where there should be
}

// Start begins to export if the OTEL_* variables name a collector, and to answer scrapes unless they say not to. It
// does not wait for that collector. Values that cannot be used are logged by name and replaced by their defaults; those
// without which sending makes no sense are the error. The provider can be used even then: it sends nothing.
func Start(ctx context.Context, o Options) (*Provider, error) {
	log := o.Logger
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s, err := readSettings(os.Getenv)
	for _, w := range s.warnings {
		log.Warn("env " + w)
	}
	p := &Provider{tracesErr: s.tracesErr}
	if o.Registry == nil || !s.export && !s.scrape && !s.traces.export {
		return p, err
	}
	quieten(log)
	r := newResource(ctx, o)
	if s.traces.export {
		p.startTraces(ctx, o, &s.traces, r, log)
	}
	if !s.export && !s.scrape {
		return p, err
	}
	options := []metric.Option{metric.WithResource(r)}
	if s.export {
		reader, otlpErr := newPeriodic(ctx, o, s, log)
		if otlpErr != nil {
			err = fmt.Errorf("env %s: %q: %w", envEndpoint, s.endpoint, otlpErr)
		} else {
			options = append(options, metric.WithReader(reader))
			p.metricsTo = s.endpoint
		}
	}
	if s.scrape {
		reader, handler, scrapeErr := newScrape(o.Registry, o.Version)
		if scrapeErr != nil {
			return p, errors.Join(err, scrapeErr)
		}
		p.scrape = handler
		options = append(options, metric.WithReader(reader))
	}
	p.sdk = metric.NewMeterProvider(options...)
	return p, err
}

// newPeriodic makes the reader that sends to the collector at each interval.
func newPeriodic(ctx context.Context, o Options, s settings, log hclog.Logger) (metric.Reader, error) {
	otlp, err := newOTLP(ctx, s.destination)
	if err != nil {
		return nil, err
	}
	producer := newProducer(o.Registry, o.Version, otlp.Temporality)
	return metric.NewPeriodicReader(
		&exporter{Exporter: otlp, producer: producer, log: log, endpoint: s.endpoint},
		metric.WithProducer(producer), metric.WithInterval(s.interval), metric.WithTimeout(s.patience),
	), nil
}

// startTraces begins to trace.
func (p *Provider) startTraces(ctx context.Context, o Options, s *tracesSettings, r *resource.Resource,
	log hclog.Logger,
) {
	otlp, err := newTraceOTLP(ctx, s.destination)
	if err != nil {
		p.tracesErr = fmt.Errorf("env %s: %q: %w", envEndpoint, s.endpoint, err)
		return
	}
	p.tracesTo = s.endpoint
	p.tracer = newTracer(ctx, otlp, s, r, &o.Registry.SpansDropped, log, o.Version)
}

// MetricsTo is the endpoint that metrics are sent to; empty where they are not.
func (p *Provider) MetricsTo() string { return p.metricsTo }

// TracesTo is the endpoint that spans are sent to. It is empty where the OTEL_* variables do not ask for traces. It is
// so too where they do in a way that makes no sense, which is the error.
func (p *Provider) TracesTo() (endpoint string, err error) { return p.tracesTo, p.tracesErr }

// Tracer gives requests their place in a trace. It is nil where the OTEL_* variables do not ask for traces: nothing is
// to be done then.
func (p *Provider) Tracer() *Tracer { return p.tracer }

// Handler answers a scrape in the text format of Prometheus, or in that of OpenMetrics where the request asks for it.
// It is nil where OTEL_METRICS_EXPORTER or OTEL_SDK_DISABLED leaves scraping out. Safe from many goroutines.
func (p *Provider) Handler() http.Handler { return p.scrape }

// quieten takes from the SDK the two loggers that it has for the whole process.
// What it says on the one was said already, by readSettings, with the variable's
// name and without the secrets in its value. On the other comes each failed
// export; exporter logs the first of a row.
func quieten(log hclog.Logger) {
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("opentelemetry", "error", err) }))
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

// Shutdown sends the last state, and the spans that wait, and ends the exporter's goroutines. It takes no longer than
// ctx allows, which should be a few seconds. A collector that refuses is noticed at once, one that is silent is waited
// for.
func (p *Provider) Shutdown(ctx context.Context) error {
	var ends []func(context.Context) error
	if p.sdk != nil {
		ends = append(ends, p.sdk.Shutdown)
	}
	if p.tracer != nil {
		ends = append(ends, p.tracer.batches.Shutdown)
	}
	errs := make([]error, len(ends))
	var all sync.WaitGroup // one that is silent must not take the other's time
	for i, end := range ends {
		all.Go(func() { errs[i] = end(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}
