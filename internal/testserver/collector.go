package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// CollectorServer is a running OpenTelemetry Collector, which takes OTLP over
// gRPC and HTTP, and writes what it got to files.
type CollectorServer struct {
	process *process
	addr    string // OTLP over gRPC
	web     string // OTLP over HTTP
	file    string // of metrics
	spans   string // the file of spans
}

// Collector starts an OpenTelemetry Collector.
func Collector(t testing.TB) *CollectorServer {
	t.Helper()
	dir := t.TempDir()
	s := &CollectorServer{addr: Addr(t), web: Addr(t), file: filepath.Join(dir, "metrics.jsonl"),
		spans: filepath.Join(dir, "spans.jsonl")}
	config := filepath.Join(dir, "otelcol.yaml")
	text := fmt.Sprintf(collectorConfig, s.addr, s.web, s.file, s.spans)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = newProcess(t, dir, "otelcol", "--config", config)
	s.Start()
	return s
}

// Endpoint is what OTEL_EXPORTER_OTLP_ENDPOINT is set to.
func (s *CollectorServer) Endpoint() string { return "http://" + s.addr }

// EndpointHTTP is Endpoint for OTLP over HTTP.
func (s *CollectorServer) EndpointHTTP() string { return "http://" + s.web }

// Stop kills the Collector. What it wrote stays.
func (s *CollectorServer) Stop() { s.process.stop() }

// Start starts the Collector again after Stop, on its address.
func (s *CollectorServer) Start() {
	s.process.t.Helper()
	s.process.start(func() bool { return accepts(s.addr) && accepts(s.web) })
}

// append: a restarted Collector goes on where the killed one stopped.
const collectorConfig = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: %s
      http:
        endpoint: %s
exporters:
  file:
    path: %s
    append: true
    flush_interval: 50ms
  file/spans:
    path: %s
    append: true
    flush_interval: 50ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [file]
    traces:
      receivers: [otlp]
      exporters: [file/spans]
`
