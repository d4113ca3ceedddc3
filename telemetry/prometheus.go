package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxScrapes bounds the scrapes that are answered at a time; more get a 503.
const maxScrapes = 4

// newScrape makes the reader that a scrape collects from, and the handler that answers one. The names are the standard
// translation of OpenTelemetry's: gateway.upstream.requests is gateway_upstream_requests_total.
func newScrape(r *Registry, version string) (metric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	cumulative := func(metric.InstrumentKind) metricdata.Temporality { return metricdata.CumulativeTemporality }
	reader, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithProducer(newProducer(r, version, cumulative)),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		otelprometheus.WithoutScopeInfo(), // there is one scope
	)
	if err != nil {
		return nil, nil, err
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, DisableCompression: true, MaxRequestsInFlight: maxScrapes,
	}), nil
}
