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
func (s *sight) start(t testing.TB, document string) *gateway {
	t.Helper()
	var options []func(*proxy.Options)
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

// carried are requests of HTTP/1.1, and of HTTP/2 that a goroutine and the relay carry.
var carried = []struct {
	name string
	ask  func(t testing.TB, s *sight) func()
}{
	{"h1", func(t testing.TB, s *sight) func() {
		c := s.start(t, to(plainEndpoint(t, ok("hello")))).dial().TCPConn
		request, buf := []byte(get("/")), make([]byte, len(ok("hello")))
		return func() { round(t, c, request, buf) }
	}},
	{"h2 to h1", func(t testing.TB, s *sight) func() {
		return bareClient2(t, s.start(t, to(plainEndpoint(t, ok("hello")))))
	}},
	{"h2 to h2", func(t testing.TB, s *sight) func() {
		return bareClient2(t, s.start(t, clustered("", "protocol: http2", bareEndpoint2(t))))
	}},
}

// Neither the log nor traces that are not recorded make a request allocate, whoever carries it.
func TestSightAllocatesNothing(t *testing.T) {
	for _, c := range carried {
		t.Run(c.name, func(t *testing.T) {
			per := map[string]float64{}
			for i := range sights[:3] {
				t.Run(sights[i].name, func(t *testing.T) { per[sights[i].name] = allocations(c.ask(t, &sights[i])) })
			}
			for name, n := range per {
				// What a request allocates for them is one object at least. Which goroutine carries it, and with how
				// many objects, depends on how busy the machine is.
				if more := n - per["off"]; more > 0.5 {
					t.Errorf("%s: %.2f allocations a request more than without", name, more)
				}
			}
		})
	}
}

// BenchmarkSight is what it costs a request to be told of.
func BenchmarkSight(b *testing.B) {
	for _, c := range carried {
		for i := range sights {
			b.Run(c.name+"/"+sights[i].name, func(b *testing.B) {
				ask := c.ask(b, &sights[i])
				ask()
				b.ReportAllocs()
				for b.Loop() {
					ask()
				}
			})
		}
	}
}
