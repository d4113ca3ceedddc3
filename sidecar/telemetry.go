package sidecar

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// tellStart logs the one line of a start: what this is, where it listens, where its document is, and where metrics and
// traces go.
func (s *Sidecar) tellStart(admin net.Listener, provider *telemetry.Provider) {
	traces, err := provider.TracesTo()
	if err != nil { // no reason not to serve
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			s.logger.Error("no traces are sent", "error", problem)
		}
	}
	s.logger.Info("gateway started", "version", Built().String(), "service", s.boot.Service,
		"instance", s.boot.Instance, "listen", s.boot.addresses(), "admin", adminAddress(admin),
		"source", string(s.boot.Source), "document", s.source.Status().Name,
		"metrics", metricsWay(provider.Handler() != nil && admin != nil, provider.MetricsTo()),
		"traces", tracesWay(traces, err))
}

// addresses are those that the bootstrap listens on; the document may add others.
func (b *Bootstrap) addresses() []string {
	all := []string{}
	for _, l := range b.listeners() {
		all = append(all, l.Address)
	}
	return all
}

func adminAddress(ln net.Listener) string {
	if ln == nil {
		return "off"
	}
	return ln.Addr().String()
}

// metricsWay says how metrics leave.
func metricsWay(scraped bool, endpoint string) string {
	var ways []string
	if scraped {
		ways = append(ways, "/metrics")
	}
	if endpoint != "" {
		ways = append(ways, endpoint)
	}
	if ways == nil {
		return "off"
	}
	return strings.Join(ways, ", ")
}

const noTraces = "off: OTEL_TRACES_EXPORTER is none (the default here), or OTEL_SDK_DISABLED is true"

// tracesWay says where spans go. Without a word there are none, unlike elsewhere.
func tracesWay(endpoint string, err error) string {
	switch {
	case err != nil:
		return "off: the error was logged"
	case endpoint == "":
		return noTraces
	}
	return endpoint
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
