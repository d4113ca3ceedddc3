package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// newOTLP makes the exporter of the protocol that was chosen. It opens no connection yet: that is for the first export.
// A failed export is not repeated. The next interval sends the newer state, and a process that ends does not wait for a
// collector that is away.
func newOTLP(ctx context.Context, s destination) (metric.Exporter, error) {
	if s.protocol == protocolHTTP {
		options := []otlpmetrichttp.Option{
			otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}), otlpmetrichttp.WithTimeout(s.timeout),
		}
		if s.target != "" {
			options = append(options, otlpmetrichttp.WithEndpoint(s.target))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: false}),
		otlpmetricgrpc.WithDialOption(dialOptions()...), otlpmetricgrpc.WithTimeout(s.timeout),
	}
	if s.target != "" {
		options = append(options, otlpmetricgrpc.WithEndpoint(s.target))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// newTraceOTLP is newOTLP for traces. A batch that fails is lost and counted.
func newTraceOTLP(ctx context.Context, s destination) (trace.SpanExporter, error) {
	return otlptrace.New(ctx, newTraceClient(s))
}

func newTraceClient(s destination) otlptrace.Client {
	if s.protocol == protocolHTTP {
		options := []otlptracehttp.Option{
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}), otlptracehttp.WithTimeout(s.timeout),
		}
		if s.target != "" {
			options = append(options, otlptracehttp.WithEndpoint(s.target))
		}
		return otlptracehttp.NewClient(options...)
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}),
		otlptracegrpc.WithDialOption(dialOptions()...), otlptracegrpc.WithTimeout(s.timeout),
	}
	if s.target != "" {
		options = append(options, otlptracegrpc.WithEndpoint(s.target))
	}
	return otlptracegrpc.NewClient(options...)
}

// dialOptions: a collector that comes back is found within this time, where gRPC would wait for up to two minutes.
func dialOptions() []grpc.DialOption {
	reconnect := backoff.DefaultConfig
	reconnect.MaxDelay = 10 * time.Second
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 10 * time.Second}),
		grpc.WithDisableServiceConfig(),
	}
}
