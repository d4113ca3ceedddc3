package telemetry

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	text := filepath.Join(t.TempDir(), "text.pem")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		env      string // name=value, split at blanks; ~ stands for a blank
		endpoint string // empty: no export
		protocol string // empty: grpc, where there is an export
		silent   bool   // scrapes are not answered
		warnings []string
		err      string
	}{
		{name: "nothing set"},
		{name: "endpoint", env: endpoint + "=http://c:4317", endpoint: "http://c:4317"},
		{name: "blanks around", env: endpoint + "=~http://c:4317~", endpoint: "http://c:4317"},
		{name: "endpoint for metrics", env: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=https://c:4317",
			endpoint: "https://c:4317"},
		{name: "metrics win", env: endpoint + "=http://a:1 OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://b:2",
			endpoint: "http://b:2"},
		{name: "unix socket", env: endpoint + "=unix:///run/otel.sock", endpoint: "unix:///run/otel.sock"},
		{name: "without a port", env: endpoint + "=http://c", endpoint: "http://c",
			warnings: []string{endpoint + `: "http://c": has no port, so 443 is used; collectors listen on 4317`}},
		{name: "without a scheme", env: endpoint + "=127.0.0.1:4317", endpoint: "127.0.0.1:4317",
			warnings: []string{endpoint +
				`: "127.0.0.1:4317": has no scheme, so TLS is spoken; write http://127.0.0.1:4317 for plain text`}},
		{name: "without a scheme, told how", env: endpoint + "=c:4317 OTEL_EXPORTER_OTLP_INSECURE=true",
			endpoint: "c:4317"},
		{name: "just a name", env: endpoint + "=collector", err: "env " + endpoint + ": neither a URL nor host:port"},
		{name: "password without a scheme", env: endpoint + "=user:secret@c:4317", err: "env " + endpoint +
			": neither a URL nor host:port"},
		{name: "password", env: endpoint + "=http://user:secret@c:4317", endpoint: "http://c:4317"},
		{name: "no URL", env: endpoint + "=http://secret:%zz@c", err: "env " + endpoint + ": not a URL"},
		{name: "another scheme", env: endpoint + "=ftp://c:21/x", err: "env " + endpoint +
			`: "ftp://c:21/x": want http or https in place of ftp`},
		{name: "no host", env: endpoint + "=http://:4317", err: "env " + endpoint + `: "http://:4317": has no host`},

		{name: "disabled", env: endpoint + "=http://c:4317 OTEL_SDK_DISABLED=TRUE", silent: true},
		{name: "not disabled", env: endpoint + "=http://c:4317 OTEL_SDK_DISABLED=yes", endpoint: "http://c:4317",
			warnings: []string{`OTEL_SDK_DISABLED: "yes": not one of true, false; false is used`}},
		{name: "exporter none", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=none", silent: true},
		{name: "exporter otlp", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=otlp", endpoint: "http://c:4317",
			silent: true},
		{name: "both exporters", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=otlp,prometheus",
			endpoint: "http://c:4317"},
		{name: "scrapes only", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=~Prometheus"},
		{name: "none among others", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=otlp,none", silent: true},
		{name: "other exporter", env: endpoint + "=http://c:4317 OTEL_METRICS_EXPORTER=otlp,console",
			endpoint: "http://c:4317",
			warnings: []string{`OTEL_METRICS_EXPORTER: "otlp,console": not a list of otlp, prometheus, none; ` +
				`both are used`}},
		{name: "grpc", env: endpoint + "=http://c:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", endpoint: "http://c:4317"},
		{name: "http", env: endpoint + "=http://c:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" +
			" OTEL_EXPORTER_OTLP_HEADERS=x!y=z", endpoint: "http://c:4318", protocol: protocolHTTP},
		{name: "http without a port", env: endpoint + "=http://c OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			endpoint: "http://c", protocol: protocolHTTP,
			warnings: []string{endpoint + `: "http://c": has no port, so 80 is used; collectors listen on 4318`}},
		{name: "other protocol", env: endpoint + "=http://c:4317 OTEL_EXPORTER_OTLP_PROTOCOL=http",
			endpoint: "http://c:4317",
			warnings: []string{`OTEL_EXPORTER_OTLP_PROTOCOL: "http": not one of grpc, http/protobuf; grpc is used`}},
		{name: "other protocol for metrics", env: endpoint +
			"=http://c:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json",
			endpoint: "http://c:4317",
			warnings: []string{`OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/json": not one of grpc, http/protobuf; ` +
				`grpc is used`}},

		{name: "all that is wrong", endpoint: "http://c:4317",
			env: endpoint + "=http://c:4317 OTEL_METRIC_EXPORT_INTERVAL=10s OTEL_METRIC_EXPORT_TIMEOUT=0" +
				" OTEL_EXPORTER_OTLP_TIMEOUT=-1 OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=99999999999999 " +
				"OTEL_EXPORTER_OTLP_COMPRESSION=zstd OTEL_EXPORTER_OTLP_METRICS_INSECURE=1" +
				" OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=sum " +
				"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram" +
				" OTEL_EXPORTER_OTLP_HEADERS=a=b,secret,c=%zz,x/y=z,X-Tenant.a_1=z OTEL_RESOURCE_ATTRIBUTES=a,b=c",
			warnings: []string{
				`OTEL_EXPORTER_OTLP_COMPRESSION: "zstd": not one of gzip, none; none is used`,
				`OTEL_EXPORTER_OTLP_METRICS_INSECURE: "1": not one of true, false; false is used`,
				`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "sum": not one of cumulative, delta, lowmemory; ` +
					`cumulative is used`,
				`OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: "base2_exponential_bucket_histogram": not ` +
					`one of explicit_bucket_histogram; explicit_bucket_histogram is used`,
				`OTEL_METRIC_EXPORT_INTERVAL: "10s": not a positive number of milliseconds; 60000 is used`,
				`OTEL_METRIC_EXPORT_TIMEOUT: "0": not a positive number of milliseconds; 30000 is used`,
				`OTEL_EXPORTER_OTLP_TIMEOUT: "-1": not a positive number of milliseconds; 10000 is used`,
				`OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "99999999999999": not a positive number of milliseconds; ` +
					`10000 is used`,
				`OTEL_EXPORTER_OTLP_HEADERS: entry 2: not key=value with the value percent-encoded`,
				`OTEL_EXPORTER_OTLP_HEADERS: entry 3: not key=value with the value percent-encoded`,
				`OTEL_EXPORTER_OTLP_HEADERS: entry 4: gRPC cannot carry a header of this name (letters, digits, ` +
					`- _ . are allowed); it is not sent`,
				`OTEL_RESOURCE_ATTRIBUTES: entry 1: not key=value with the value percent-encoded`,
			}},
		{name: "CA that is not there", env: endpoint + "=https://c:4317 OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere/ca.pem",
			err: "env OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere/ca.pem: no such file or directory"},
		{name: "CA that is none", env: endpoint + "=https://c:4317 OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=" + text,
			err: "env OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: " + text + ": holds no certificate"},
		{name: "certificate without key", env: endpoint + "=https://c:4317 OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" +
			text,
			err: "env OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: one is set without " +
				"the other"},
		{name: "client certificate that is none", env: endpoint +
			"=https://c:4317 OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + text + " OTEL_EXPORTER_OTLP_CLIENT_KEY=" + text,
			err: "env OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: tls: failed to find " +
				"any PEM data in certificate input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := readSettings(variables(tt.env))
			if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
				t.Errorf("error = %v, want %s", err, tt.err)
			}
			if s.export != (tt.endpoint != "") || (s.export && s.endpoint != tt.endpoint) {
				t.Errorf("export %v to %q, want %q", s.export, s.endpoint, tt.endpoint)
			}
			if tt.protocol == "" && s.export {
				tt.protocol = protocolGRPC
			}
			if s.scrape == tt.silent || s.export && s.protocol != tt.protocol {
				t.Errorf("scrape %v, protocol %q, want %v, %q", s.scrape, s.protocol, !tt.silent, tt.protocol)
			}
			if got, want := strings.Join(s.warnings, "\n"), strings.Join(tt.warnings, "\n"); got != want {
				t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
			}
			if all := fmt.Sprint(err, s.warnings); strings.Contains(all, "secret") {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}

// variables is an environment made of name=value words.
func variables(text string) func(string) string {
	m := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		m[name] = strings.ReplaceAll(value, "~", " ")
	}
	return func(name string) string { return m[name] }
}

// Whatever is in the variables, reading them ends well and shows no secret.
func FuzzSettings(f *testing.F) {
	f.Fuzz(func(t *testing.T, before, after, header string) {
		const secret = "hunter2hunter2"
		env := map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": before + secret + after,
			"OTEL_EXPORTER_OTLP_HEADERS":  header + secret,
			"OTEL_RESOURCE_ATTRIBUTES":    header,
			"OTEL_TRACES_EXPORTER":        "otlp",
		}
		s, err := readSettings(func(name string) string { return env[name] })
		if s.export == (err != nil) || s.traces.export == (s.tracesErr != nil) {
			t.Errorf("export %v with error %v, traces %v with %v", s.export, err, s.traces.export, s.tracesErr)
		}
		if s.export && s.endpoint == "" {
			t.Error("export without an endpoint")
		}
		u, urlErr := url.Parse(env["OTEL_EXPORTER_OTLP_ENDPOINT"])
		if urlErr != nil || u.User == nil {
			return
		}
		if password, _ := u.User.Password(); password == secret && u.Hostname() != secret {
			all := fmt.Sprint(err, s.tracesErr, s.endpoint, s.traces.endpoint, s.warnings)
			if strings.Contains(all, secret) {
				t.Errorf("the password is shown: %s", all)
			}
		}
	})
}
