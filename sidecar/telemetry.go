package sidecar

import (
	"context"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// tellOfTraces says at the start whether there are traces: without a word there are none, unlike elsewhere.
func (s *Sidecar) tellOfTraces(endpoint string, err error) {
	switch {
	case err != nil: // no reason not to serve
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			s.logger.Error("no traces are sent", "error", problem)
		}
	case endpoint == "":
		s.logger.Info("no traces: env OTEL_TRACES_EXPORTER is none, the default here; otlp sends them")
	default:
		s.logger.Info("traces are sent", "endpoint", endpoint)
	}
}

// lastExport bounds the wait for a collector that takes the last metrics slowly, or not at all.
const lastExport = 3 * time.Second

// flush sends the last metrics and spans.
func (s *Sidecar) flush(ctx context.Context, provider *telemetry.Provider) {
	ctx, cancel := context.WithTimeout(ctx, lastExport)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		s.logger.Warn("last metrics or spans were not sent", "error", err)
	}
}
