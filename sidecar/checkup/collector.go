package checkup

import (
	"context"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// collectorTimeout bounds how long a Collector is waited for.
const collectorTimeout = 5 * time.Second

// collector tells of each one that the OTEL_* variables name.
func (c *checkup) collector(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, collectorTimeout)
	defer cancel()
	all, warnings := telemetry.Collectors(ctx)
	for _, w := range warnings {
		c.notice("mend the variable", "env %s", w)
	}
	for _, to := range all {
		switch {
		case to.Err != nil && to.Endpoint == "":
			c.wrong("mend the variable", "%s: %v", to.Signal, to.Err)
		case to.Err != nil:
			c.wrong("is a Collector there? Port 4317 is gRPC, 4318 needs OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
				"%s: %s: %v", to.Signal, to.Endpoint, to.Err)
		default:
			c.good("%s: %s takes them", to.Signal, to.Endpoint)
		}
	}
	if len(all) == 0 {
		c.good("none is named: OTEL_EXPORTER_OTLP_ENDPOINT is not set")
	}
}
