//go:build !race

package proxy_test

import (
	"context"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// sight is what of a gateway tells what it does. Metrics, rates and the ring of failures are always on.
type sight struct {
	name    string
	log     bool   // and what is slow is told
	sampler string // empty: no traces
	share   string // of the traces that are recorded
}

var sights = []sight{
	{"off", false, "", ""},
	{"log", true, "", ""},
	{"traces unsampled", true, "always_off", ""},
	{"traces 1 in 100", true, "traceidratio", "0.01"},
}

// start begins a gateway that is told of as s says. The collector is away.
func (s *sight) start(t testing.TB, document string, options ...func(*proxy.Options)) *gateway {
	t.Helper()
	if s.log {
		log := newLog(t)
		ctx, cancel := context.WithCancel(context.Background())
		written := make(chan struct{})
		go func() { defer close(written); log.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-written })
		options = append(options, log.use)
		document = "access_log: {slow: 1s}\n" + document
	}
	if s.sampler != "" {
		for name, value := range map[string]string{
			"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
			"OTEL_TRACES_SAMPLER": s.sampler, "OTEL_TRACES_SAMPLER_ARG": s.share, "OTEL_METRICS_EXPORTER": "none",
		} {
			t.Setenv(name, value)
		}
		p, err := telemetry.Start(context.Background(), telemetry.Options{Registry: telemetry.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // nobody takes the spans
		options = append(options, func(o *proxy.Options) { o.Tracer = p.Tracer() })
	}
	return start(t, document, options...)
}

// carriers are all of them.
var carriers = append([]carrier{{"h1", func(t testing.TB, route string) (string, []func(*proxy.Options)) {
	return routed(plainEndpoint(t, ok("hello")), route), nil
}, func(t testing.TB, g *gateway) func() {
	c := g.dial().TCPConn
	request, buf := []byte(get("/")), make([]byte, len(ok("hello")))
	return func() { round(t, c, request, buf) }
}, 0}}, carriers2...)

// Neither the log nor traces that are not recorded make a request allocate, whoever carries it.
func TestSightAllocatesNothing(t *testing.T) {
	for _, w := range carriers {
		t.Run(w.name, func(t *testing.T) {
			per := map[string]float64{}
			for i := range sights[:3] {
				t.Run(sights[i].name, func(t *testing.T) {
					document, options := w.document(t, "")
					g := sights[i].start(t, document, append(options, unswept)...)
					per[sights[i].name] = g.allocations(w.ask(t, g))
				})
			}
			for name, n := range per {
				if more := n - per["off"]; more > stray {
					t.Errorf("%s: %.3f allocations a request more than without", name, more)
				}
			}
		})
	}
}

// BenchmarkSight is what it costs a request to be told of.
func BenchmarkSight(b *testing.B) {
	for _, w := range carriers {
		for i := range sights {
			b.Run(w.name+"/"+sights[i].name, func(b *testing.B) {
				document, options := w.document(b, "")
				ask := w.ask(b, sights[i].start(b, document, options...))
				ask()
				b.ReportAllocs()
				for b.Loop() {
					ask()
				}
			})
		}
	}
}
