package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// longestWait bounds every wait of these tests.
const longestWait = 20 * time.Second

func TestNoEndpointIsNoExport(t *testing.T) {
	for name, env := range map[string][2]string{
		"disabled":      {"OTEL_SDK_DISABLED", "true"},
		"exporter none": {"OTEL_METRICS_EXPORTER", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			clearOTEL(t)
			if env[0] != "" {
				t.Setenv(envEndpoint, "http://127.0.0.1:4317")
				t.Setenv(env[0], env[1])
			}
			testserver.Goroutines(t)
			r := NewRegistry()
			p, err := Start(t.Context(), Options{Registry: r})
			if err != nil || p.sdk != nil || p.Handler() != nil {
				t.Errorf("Start = %v, %v; want a provider that does nothing", p, err)
			}
			if err := p.flush(t.Context()); err != nil {
				t.Errorf("Flush: %v", err)
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

func TestStartNamesBadVariables(t *testing.T) {
	clearOTEL(t)
	t.Setenv(envEndpoint, "collector")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	var log lines
	p, err := Start(t.Context(), Options{Registry: NewRegistry(), Logger: log.logger()})
	if err == nil || !strings.Contains(err.Error(), "env "+envEndpoint) {
		t.Errorf("Start: %v, want the variable's name", err)
	}
	if p == nil || p.Shutdown(t.Context()) != nil {
		t.Error("the provider cannot be used after an error")
	}
	if got := log.with("OTEL_EXPORTER_OTLP_PROTOCOL"); len(got) != 1 {
		t.Errorf("warnings = %q, want one that names the protocol", got)
	}
}

func TestResource(t *testing.T) {
	for _, tt := range []struct {
		name, service, attributes string
		want                      string
	}{
		{name: "options",
			want: "gateway.role=sidecar service.instance.id=pod-1 service.name=app service.version=1.2.3"},
		{name: "attributes win", attributes: "service.name=attr,team=a%20b",
			want: "gateway.role=sidecar service.instance.id=pod-1 service.name=attr service.version=1.2.3 team=a b"},
		{name: "service name wins", service: "named", attributes: "service.name=attr,service.instance.id=i",
			want: "gateway.role=sidecar service.instance.id=i service.name=named service.version=1.2.3"},
		{name: "a bad entry", attributes: "nothing,team=a",
			want: "gateway.role=sidecar service.instance.id=pod-1 service.name=app service.version=1.2.3 team=a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clearOTEL(t)
			t.Setenv(envServiceName, tt.service)
			t.Setenv(envResource, tt.attributes)
			var got []string
			for _, kv := range newResource(t.Context(), options(nil, hclog.NewNullLogger())).Attributes() {
				if !strings.HasPrefix(string(kv.Key), "telemetry.sdk.") {
					got = append(got, string(kv.Key)+"="+kv.Value.String())
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("resource = %s\nwant %s", strings.Join(got, " "), tt.want)
			}
		})
	}
}

func TestExportToARealCollector(t *testing.T) {
	t.Run("grpc", func(t *testing.T) { testExport(t, protocolGRPC, (*testserver.CollectorServer).Endpoint) })
	t.Run("http", func(t *testing.T) { testExport(t, protocolHTTP, (*testserver.CollectorServer).EndpointHTTP) })
}

func testExport(t *testing.T, protocol string, endpoint func(*testserver.CollectorServer) string) {
	clearOTEL(t)
	testserver.Goroutines(t) // looked at once the Collector is gone: HTTP keeps its connection until then
	collector := testserver.Collector(t)
	t.Setenv(envEndpoint, endpoint(collector))
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv(envServiceName, "named")
	var log lines
	r := NewRegistry()
	fill(r)
	p, err := Start(t.Context(), options(r, log.logger()))
	if err != nil {
		t.Fatal(err)
	}
	within(t, p.flush)
	metrics := map[string]testserver.Metric{}
	eventually(t, "the collector wrote the first export", func() bool {
		for _, m := range collector.Metrics(t) {
			metrics[m.Name] = m
		}
		return len(metrics) > 0
	})
	for line := range strings.Lines(strings.TrimSpace(everything)) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		m := metrics[name]
		kind := m.Kind
		if m.Monotonic {
			kind = "monotonic sum"
		}
		if m.Kind != "gauge" {
			kind += " cumulative"
		}
		if got := fmt.Sprintf("%s %s: %s", m.Unit, kind, m.Description); got != rest {
			t.Errorf("%s: the collector got %q, want %q", name, got, rest)
		}
		if m.Resource["service.name"] != "named" || m.Resource["gateway.role"] != "sidecar" || m.Scope != scopeName {
			t.Errorf("%s: resource %v scope %s", name, m.Resource, m.Scope)
		}
	}

	r.Route("api").Record(MethodGet, 200, SchemeHTTP, time.Second)
	within(t, p.Shutdown)
	last := map[string]string{"http.route": "api", "http.response.status_code": "200"}
	eventually(t, "the last state arrived", func() bool {
		point, ok := collector.Point(t, "http.server.request.duration", last)
		return ok && point.Count == 3 && point.Sum == 1.011
	})
	if got := log.with(""); len(got) != 0 {
		t.Errorf("log = %q, want nothing", got)
	}
}

func TestDeltasToARealCollector(t *testing.T) {
	clearOTEL(t)
	collector := testserver.Collector(t)
	t.Setenv(envEndpoint, collector.Endpoint())
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
	r := NewRegistry()
	p, err := Start(t.Context(), options(r, nil))
	if err != nil {
		t.Fatal(err)
	}
	r.Fault(NR).Add(2)
	within(t, p.flush)
	// One that is killed before it has written has lost what it took.
	eventually(t, "the first delta is written", func() bool { return fmt.Sprint(deltasOf(t, collector)) == "[2]" })
	r.Fault(NR).Add(3)
	collector.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	if p.flush(ctx) == nil {
		t.Error("Flush to a collector that is away is no error")
	}
	r.Fault(NR).Add(4)
	collector.Start()
	eventually(t, "an export arrived again", func() bool { return p.flush(ctx) == nil })
	within(t, p.Shutdown)

	eventually(t, "then comes all that had not arrived", func() bool {
		return fmt.Sprint(deltasOf(t, collector)) == "[2 7]"
	})
}

// deltasOf is what the collector got of the faults NR.
func deltasOf(t *testing.T, collector *testserver.CollectorServer) (values []float64) {
	t.Helper()
	for _, m := range collector.Metrics(t) {
		if m.Name == "gateway.faults" {
			if !m.Delta {
				t.Error("the collector got a cumulative sum, want deltas")
			}
			values = append(values, m.Points[0].Value)
		}
	}
	return values
}

func TestCollectorAwayIsOneLine(t *testing.T) {
	clearOTEL(t)
	addr := testserver.Addr(t)
	collector := &relay{addr: addr}
	t.Cleanup(collector.stop)
	testserver.Goroutines(t)
	real := testserver.Collector(t)
	t.Setenv(envEndpoint, "http://user:secret@"+addr)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
	var log lines
	r := NewRegistry()
	p, err := Start(t.Context(), options(r, log.logger()))
	if err != nil {
		t.Fatal(err)
	}
	// The line comes by itself; more exports after it are not worth another.
	eventually(t, "a warning", func() bool { return len(log.with("metrics not exported")) > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	for range 5 {
		if p.flush(ctx) == nil {
			t.Error("Flush to a collector that is away is no error")
		}
	}
	collector.start(t, strings.TrimPrefix(real.Endpoint(), "http://"))
	eventually(t, "a line about the recovery", func() bool { return len(log.with("metrics exported again")) > 0 })
	within(t, p.flush)
	collector.stop()
	eventually(t, "a second warning", func() bool { return len(log.with("metrics not exported")) == 2 })

	ctx, cancel = context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	began := time.Now()
	if p.Shutdown(ctx) == nil {
		t.Error("Shutdown is no error though the last state did not arrive")
	}
	// The OTLP exporter's own retry would begin after 2.5 seconds at the soonest.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("Shutdown took %v: it must not wait for a collector that refuses", took)
	}
	if all := log.with(""); len(all) != 3 || strings.Contains(strings.Join(all, ""), "secret") {
		t.Errorf("log = %q, want away, back, away and no password", all)
	}
	if !strings.Contains(log.with("")[0], "[WARN]") || !strings.Contains(log.with("")[0], addr) {
		t.Errorf("the line %q is no warning that names the endpoint", log.with("")[0])
	}
}

// The SDK has two loggers for the whole process, which write to stderr in a form
// of their own. What comes on the one is for our log, and only when debugging.
func TestTheSDKDoesNotLogByItself(t *testing.T) {
	clearOTEL(t)
	t.Setenv(envEndpoint, "http://"+testserver.Addr(t))
	var log lines
	logger := log.logger()
	p, err := Start(t.Context(), options(NewRegistry(), logger))
	if err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New("hidden"))
	logger.SetLevel(hclog.Debug)
	otel.Handle(errors.New("shown"))
	if got := log.with(""); len(got) != 1 || !strings.Contains(got[0], "[DEBUG] gateway: opentelemetry: error=shown") {
		t.Errorf("log = %q, want the error at debug", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	if p.Shutdown(ctx) == nil {
		t.Error("Shutdown is no error though nothing was sent")
	}
}

// A collector that takes the connection and says nothing must not hold a process
// that wants to end.
func TestShutdownKeepsToItsTime(t *testing.T) {
	clearOTEL(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	t.Setenv(envEndpoint, "http://"+silent.Addr().String())
	p, err := Start(t.Context(), options(NewRegistry(), nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if p.Shutdown(ctx) == nil {
		t.Error("Shutdown is no error though nothing was sent")
	}
	if took := time.Since(began); took > longestWait/4 {
		t.Errorf("Shutdown took %v, want about 50ms", took)
	}
}

func options(r *Registry, log hclog.Logger) Options {
	return Options{Registry: r, Logger: log, Service: "app", Instance: "pod-1", Version: "1.2.3"}
}

// clearOTEL keeps what the machine has set out of a test.
func clearOTEL(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
}

// within calls f with a context that ends.
func within(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	if err := f(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what another process or goroutine is about to do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(longestWait); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", longestWait, what)
		}
	}
}

// lines is a log whose lines are looked for.
type lines struct{ testserver.Log }

func (l *lines) logger() hclog.Logger {
	logger, err := NewLogger("info", "text", l)
	if err != nil {
		panic(err)
	}
	return logger
}

// with returns the lines that contain text.
func (l *lines) with(text string) (all []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			all = append(all, line)
		}
	}
	return all
}

// relay is an address that can be there or not, sooner than a collector starts.
type relay struct {
	addr string

	mu sync.Mutex
	// +checklocks:mu
	open  []io.Closer
	group sync.WaitGroup
}

func (r *relay) start(t *testing.T, to string) {
	t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r.keep(l)
	r.group.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			r.keep(in, out)
			r.group.Go(func() { pipe(in, out) })
			r.group.Go(func() { pipe(out, in) })
		}
	})
}

// pipe ends as relay.stop closes the connections, which is no error here.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
}

func (r *relay) keep(c ...io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, c...)
}

func (r *relay) stop() {
	r.mu.Lock()
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
	r.mu.Unlock()
	r.group.Wait()
}

// flush sends the state of now, and returns when it has arrived or cannot.
func (p *Provider) flush(ctx context.Context) error {
	if p.sdk == nil {
		return nil
	}
	return p.sdk.ForceFlush(ctx)
}
