package sidecar_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// quantiles reports the median and the 99th percentile of what was measured, in milliseconds.
func quantiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(int(share*float64(len(took))), len(took)-1)]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(0, "ns/op") // the pace is ours
}

// From the moment a document is put into Consul (the put itself is part of it)
// until a request is served by it. At most two puts a second: a person, or a
// pipeline, not a flood.
func BenchmarkKVPut(b *testing.B) {
	consul := testserver.Consul(b)
	answers := [2]string{"odd", "even"}
	addresses := [2]string{app(b, answers[0]), app(b, answers[1])}
	consul.KVPut("gateway/app/config", one(addresses[0]))
	g := serve(b, env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_ACCESS_LOG": "off"})
	g.answers("/", http.StatusOK, answers[0])
	pace := time.NewTicker(500 * time.Millisecond)
	defer pace.Stop()
	var took []time.Duration
	for n := 1; b.Loop(); n++ {
		<-pace.C
		begun := time.Now()
		consul.KVPut("gateway/app/config", one(addresses[n%2]))
		for {
			_, body, err := fetch(g.url)
			if err != nil {
				b.Fatal(err)
			}
			if body == answers[n%2] {
				break
			}
		}
		took = append(took, time.Since(begun))
	}
	quantiles(b, took)
}

// From exec to the first answered request, file source, as compare.py's start has it.
func BenchmarkStart(b *testing.B) {
	path := filepath.Join(b.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(one(app(b, "app"))), 0o600); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		g := launch(b, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG": "off"})
		address := strings.TrimPrefix(g.url, "http://")
		for {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				continue // not yet
			}
			conn.Close()
			break
		}
		if code, _, err := fetch(g.url); err != nil || code != http.StatusOK {
			b.Fatal(code, err)
		}
		took = append(took, time.Since(g.begun))
		client.CloseIdleConnections()
		g.end()
	}
	quantiles(b, took)
}

// tenThousand is a document of 10,000 routes to 1,000 clusters, all with one endpoint. upstream is the timeout of most
// of them, in seconds: another one is another revision.
func tenThousand(endpoint string, upstream int) string {
	const routes, clusters = 10_000, 1_000
	var document strings.Builder
	document.WriteString("clusters:\n")
	for i := range clusters {
		fmt.Fprintf(&document, "  - {name: c%d, endpoints: [%q]}\n", i, endpoint)
	}
	document.WriteString("routes:\n  - {name: all, cluster: c0}\n")
	for i := range routes - 1 {
		fmt.Fprintf(&document, "  - name: route-%d\n    match: {host: host-%d.example.com, path_prefix: /api/v%d, "+
			"methods: [GET]}\n    cluster: c%d\n    timeouts: {upstream: %ds}\n", i, i%500, i, i%clusters, upstream)
	}
	return document.String()
}

// From the start until the document serves that the state directory has, while Consul is down. One document is small,
// with endpoints that came from Consul too; one has 10,000 routes. Beside the time it tells what the whole process took
// of the CPU, which depends less on who else is busy.
func BenchmarkStartFromState(b *testing.B) {
	b.Run("small", func(b *testing.B) { startsFromState(b, func(string) string { return discovered("kept") }) })
	b.Run("10000", func(b *testing.B) {
		startsFromState(b, func(endpoint string) string { return tenThousand(endpoint, 5) })
	})
}

func startsFromState(b *testing.B, document func(endpoint string) string) {
	consul, endpoint := testserver.Consul(b), app(b, "kept")
	consul.Register(testserver.Service{Name: "kept", Port: port(b, endpoint)})
	environ := env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_STATE_DIR": filepath.Join(b.TempDir(), "state"),
		"GATEWAY_ACCESS_LOG": "off",
	}
	pushes(b, environ, document(endpoint))
	g := launch(b, environ)
	g.answers("/", http.StatusOK, "kept")
	g.end()
	consul.Stop()
	var took []time.Duration
	var cpu time.Duration
	for b.Loop() {
		g := launch(b, environ)
		g.answers("/", http.StatusOK, "kept")
		took = append(took, g.servedAfter())
		g.end()
		cpu += g.cmd.ProcessState.UserTime() + g.cmd.ProcessState.SystemTime()
	}
	quantiles(b, took)
	b.ReportMetric(float64(cpu)/float64(len(took))/float64(time.Millisecond), "cpu-ms")
}

// What an idle sidecar holds with Consul and a collector in use: resident memory
// five seconds after it has served.
func BenchmarkIdleMemory(b *testing.B) {
	consul, collector := testserver.Consul(b), testserver.Collector(b)
	consul.Register(testserver.Service{Name: "shop", Port: port(b, app(b, "shop"))})
	consul.KVPut("gateway/app/config", discovered("shop"))
	for b.Loop() {
		g := serve(b, env{
			"CONSUL_HTTP_ADDR":            consul.Addr(),
			"OTEL_EXPORTER_OTLP_ENDPOINT": collector.Endpoint(),
			"OTEL_METRIC_EXPORT_INTERVAL": "1000",
		})
		g.answers("/", http.StatusOK, "shop")
		rest := time.NewTimer(atRest(5 * time.Second))
		<-rest.C
		for name, unit := range map[string]string{"VmRSS": "rss-MiB", "RssAnon": "anon-MiB", "RssFile": "file-MiB",
			"VmHWM": "peak-MiB"} {
			b.ReportMetric(resident(b, g, name), unit)
		}
		g.end()
	}
	b.ReportMetric(0, "ns/op")
}

// atRest is how long a benchmark watches what does nothing. With -short, as in make bench, it is a second at most.
// Then nobody reads the figures. All that is asked is whether the benchmark works.
func atRest(d time.Duration) time.Duration {
	if testing.Short() {
		return min(d, time.Second)
	}
	return d
}

// resident reads a line of the kernel's account of a process, in MiB.
func resident(b testing.TB, g *gateway, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		b.Skip(err) // no Linux, no account
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			n, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
			if err != nil {
				b.Fatal(err)
			}
			return n / 1024
		}
	}
	b.Fatalf("no %s in\n%s", name, text)
	return 0
}
