package telemetry

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestTraceSettings(t *testing.T) {
	const on = "OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=none "
	const to = on + "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 "
	for _, row := range []struct {
		name     string
		env      string
		endpoint string // empty: nothing is traced
		protocol string // empty: grpc
		formats  Formats
		sampler  string
		parent   bool
		queue    int // 0: the usual one
		warnings []string
		err      string
	}{
		{name: "nothing set"},
		{name: "an endpoint alone", env: "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317"},
		{name: "none", env: to + "OTEL_TRACES_EXPORTER=none"},
		{name: "disabled", env: to + "OTEL_SDK_DISABLED=true"},
		{name: "another exporter", env: to + "OTEL_TRACES_EXPORTER=console",
			warnings: []string{`OTEL_TRACES_EXPORTER: "console": not one of otlp, none; none is used`}},
		{name: "nowhere to send to", env: on, err: "env OTEL_TRACES_EXPORTER: otlp, but nothing says where to; set " +
			"OTEL_EXPORTER_OTLP_ENDPOINT, such as http://127.0.0.1:4317"},
		{name: "the usual", env: to, endpoint: "http://c:4317", formats: W3C, sampler: "AlwaysOnSampler", parent: true},
		{name: "of their own", env: to + "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://d:4318/v1/traces " +
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", endpoint: "http://d:4318/v1/traces",
			protocol: protocolHTTP, formats: W3C, sampler: "AlwaysOnSampler", parent: true},
		{name: "not those of metrics", env: to + "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://d:1 " +
			"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf", endpoint: "http://c:4317",
			formats: W3C, sampler: "AlwaysOnSampler", parent: true},
		{name: "samplers", env: to + "OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.25",
			endpoint: "http://c:4317", formats: W3C, sampler: "TraceIDRatioBased{0.25}"},
		{name: "samplers by the parent",
			env:      to + "OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0",
			endpoint: "http://c:4317", formats: W3C, sampler: "TraceIDRatioBased{0}", parent: true},
		{name: "off", env: to + "OTEL_TRACES_SAMPLER=always_off", endpoint: "http://c:4317", formats: W3C,
			sampler: "AlwaysOffSampler"},
		{name: "formats", env: to + "OTEL_PROPAGATORS=b3multi,~B3,baggage", endpoint: "http://c:4317",
			formats: B3 | B3Multi, sampler: "AlwaysOnSampler", parent: true},
		{name: "no format", env: to + "OTEL_PROPAGATORS=none", endpoint: "http://c:4317",
			sampler: "AlwaysOnSampler", parent: true},
		{name: "all that is wrong", endpoint: "http://c:4317", formats: W3C, sampler: "TraceIDRatioBased{1}",
			parent: true,
			env: to + "OTEL_PROPAGATORS=jaeger,tracecontext OTEL_TRACES_SAMPLER=parentbased_traceidratio " +
				"OTEL_TRACES_SAMPLER_ARG=NaN OTEL_BSP_MAX_QUEUE_SIZE=100000000 OTEL_BSP_SCHEDULE_DELAY=5s " +
				"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=0 OTEL_BSP_EXPORT_TIMEOUT=-1 OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=x " +
				"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=zstd OTEL_EXPORTER_OTLP_TRACES_HEADERS=secret",
			warnings: []string{
				`OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "zstd": not one of gzip, none; none is used`,
				`OTEL_BSP_SCHEDULE_DELAY: "5s": not a positive number of milliseconds; 5000 is used`,
				`OTEL_BSP_EXPORT_TIMEOUT: "-1": not a positive number of milliseconds; 30000 is used`,
				`OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "x": not a positive number of milliseconds; 10000 is used`,
				`OTEL_EXPORTER_OTLP_TRACES_HEADERS: entry 1: not key=value with the value percent-encoded`,
				`OTEL_PROPAGATORS: "jaeger": not one of tracecontext, baggage, b3, b3multi, none; it is left out`,
				`OTEL_TRACES_SAMPLER_ARG: "NaN": not a number from 0 to 1; 1 is used`,
				`OTEL_BSP_MAX_QUEUE_SIZE: "100000000": not a number from 1 to 65536; 2048 is used`,
				`OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "0": not a number from 1 to 65536; 512 is used`,
			}},
		{name: "another sampler", env: to + "OTEL_TRACES_SAMPLER=jaeger_remote OTEL_BSP_MAX_QUEUE_SIZE=10",
			endpoint: "http://c:4317", formats: W3C, sampler: "AlwaysOnSampler", parent: true, queue: 10,
			warnings: []string{`OTEL_TRACES_SAMPLER: "jaeger_remote": not one of always_on, always_off, ` +
				`traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio; ` +
				`parentbased_always_on is used`}},
		{name: "what is about both is told once", endpoint: "http://c:4317", formats: W3C, sampler: "AlwaysOnSampler",
			parent: true, env: to + "OTEL_METRICS_EXPORTER=otlp OTEL_EXPORTER_OTLP_COMPRESSION=zstd",
			warnings: []string{`OTEL_EXPORTER_OTLP_COMPRESSION: "zstd": not one of gzip, none; none is used`}},
		{name: "no endpoint", env: to + "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=user:secret@c", formats: W3C,
			sampler: "AlwaysOnSampler", parent: true,
			err: "env OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: neither a URL nor host:port"},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, err := readSettings(variables(row.env))
			s := all.traces
			if err != nil {
				t.Errorf("the error of metrics is %v", err)
			}
			if fmt.Sprint(all.tracesErr) != row.err && (all.tracesErr != nil || row.err != "") {
				t.Errorf("error = %v, want %s", all.tracesErr, row.err)
			}
			if s.export != (row.endpoint != "") || s.export && s.endpoint != row.endpoint {
				t.Errorf("export %v to %q, want %q", s.export, s.endpoint, row.endpoint)
			}
			if got, want := strings.Join(all.warnings, "\n"), strings.Join(row.warnings, "\n"); got != want {
				t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
			}
			if text := fmt.Sprint(all.tracesErr, all.warnings); strings.Contains(text, "secret") {
				t.Errorf("a secret is shown: %s", text)
			}
			if !s.export {
				return
			}
			if row.protocol == "" {
				row.protocol = protocolGRPC
			}
			if row.queue == 0 {
				row.queue = defaultQueue
			}
			if s.protocol != row.protocol || s.formats != row.formats || s.sampler.Description() != row.sampler ||
				s.parent != row.parent || s.queue != row.queue {
				t.Errorf("protocol %s, formats %b, sampler %s, parent %v, queue %d", s.protocol, s.formats,
					s.sampler.Description(), s.parent, s.queue)
			}
		})
	}
}

// The SDK takes numbers from the variables as they are. None of those that make no sense reaches it.
func TestNumbersThatMakeNoSense(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for _, value := range []string{"-1", "0", "9223372036854775807", "1e3"} {
		for _, name := range []string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
			"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_METRIC_EXPORT_INTERVAL",
			"OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"} {
			t.Run(name+"="+value, func(t *testing.T) {
				t.Setenv(name, value)
				s, err := readSettings(os.Getenv)
				if err != nil || s.tracesErr != nil || len(s.warnings) != 1 {
					t.Errorf("%v, %v, warnings %q", err, s.tracesErr, s.warnings)
				}
				tr := &s.traces
				if tr.queue != 2048 || tr.batch != 512 || tr.delay != 5*time.Second || tr.patience != 30*time.Second ||
					tr.timeout != 10*time.Second || s.interval != time.Minute ||
					s.patience != 30*time.Second || s.timeout != 10*time.Second {
					t.Errorf("not the defaults: %+v", s)
				}
				p, err := Start(t.Context(), Options{Registry: NewRegistry(), Logger: hclog.NewNullLogger()})
				if err != nil {
					t.Fatal(err)
				}
				over, end := context.WithCancel(t.Context())
				end() // there is no collector to wait for
				_ = p.Shutdown(over)
			})
		}
	}
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	if s, _ := readSettings(os.Getenv); s.traces.batch != 10 {
		t.Errorf("a batch of %d spans from a queue of 10", s.traces.batch)
	}
}
