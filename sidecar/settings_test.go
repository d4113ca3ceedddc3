package sidecar

import (
	"slices"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	from := Sources{
		Flags: map[string]string{"GATEWAY_LISTEN": ":9000"},
		Environ: []string{"GATEWAY_SERVICE=web", "GATEWAY_LISTEN=:7000", "CONSUL_HTTP_ADDR=127.0.0.1:8500",
			"PATH=/bin"},
		Defaults: map[string]string{"GATEWAY_DRAIN_DELAY": "0s"},
		Hostname: func() (string, error) { return "web-1", nil },
	}
	b, err := Load(from)
	if err != nil {
		t.Fatal(err)
	}
	all := from.Settings(&b)
	if len(all) != len(Variables())+1 {
		t.Fatalf("%d settings, want all variables, and one of Consul", len(all))
	}
	for _, want := range []Setting{
		{"GATEWAY_SERVICE", "web", "environment"},
		{"GATEWAY_INSTANCE", "web-1", "default"},
		{"GATEWAY_LISTEN", ":9000", "flag"},
		{"GATEWAY_SOURCE", "consul", "default"},
		{"GATEWAY_CONSUL_KEY", "gateway/web/config", "default"},
		{"GATEWAY_DRAIN_DELAY", "0s", "verb"},
		{"CONSUL_HTTP_ADDR", "127.0.0.1:8500", "environment"},
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%+v, want %+v in it", all, want)
		}
	}
	for _, one := range all {
		if one.Name == "GATEWAY_MAX_CONNECTIONS" && (one.Value == "0" || one.Value == "") {
			t.Errorf("%+v, want the number that is in effect", one)
		}
	}
}

// A secret is not shown, nor what may be one.
func TestSettingsMaskSecrets(t *testing.T) {
	for _, row := range []struct{ variable, want string }{
		{"CONSUL_HTTP_TOKEN=secret", Masked},
		{"CONSUL_HTTP_TOKEN=", ""},
		{"CONSUL_HTTP_AUTH=me:secret", Masked},
		{"CONSUL_HTTP_TOKEN_FILE=/run/token", "/run/token"},
		{"CONSUL_OF_TOMORROW=secret", Masked},
		{"CONSUL_HTTP_ADDR=http://me:secret@consul:8500", "http://" + Masked + "@consul:8500"},
		{"CONSUL_HTTP_ADDR=me:secret@consul:8500", Masked},
		{"CONSUL_HTTP_ADDR=https://me:secret%@consul:8500", Masked},
		{"OTEL_EXPORTER_OTLP_HEADERS=authorization=secret", Masked},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=authorization=secret", Masked},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://c:4317", "http://c:4317"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=https://secret@c:4317", "https://" + Masked + "@c:4317"},
		{"OTEL_METRIC_EXPORT_INTERVAL=1000", "1000"},
		{"OTEL_TRACES_EXPORTER=otlp", "otlp"},
	} {
		got := Sources{Environ: []string{row.variable}}.Foreign()
		if len(got) != 1 || got[0].Value != row.want || strings.Contains(got[0].Value, "secret") {
			t.Errorf("%s is shown as %+v, want %q", row.variable, got, row.want)
		}
	}
}
