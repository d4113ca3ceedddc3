package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// newOTLP makes the exporter of the protocol that was chosen. It opens no connection yet: that is for the first export.
// A failed export is not repeated: the next interval sends the newer state, and a process that ends does not wait for a
// collector that is away.
func newOTLP(ctx context.Context, s settings) (metric.Exporter, error) {
	if s.protocol == protocolHTTP {
		options := []otlpmetrichttp.Option{otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false})}
		if s.target != "" {
			options = append(options, otlpmetrichttp.WithEndpoint(s.target))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	// A collector that comes back is found within this time, where gRPC would wait for up to two minutes.
	reconnect := backoff.DefaultConfig
	reconnect.MaxDelay = 10 * time.Second
	options := []otlpmetricgrpc.Option{
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
