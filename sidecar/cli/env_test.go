package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// What is set has a mark and its value, within 100 columns, and no secret is among it.
func TestEnv(t *testing.T) {
	long := strings.Repeat("x", 90)
	got := do(t, Process{Environ: []string{
		"GATEWAY_LISTEN=:9000", "GATEWAY_APP=", "GATEWAY_ROUTES=/" + long + "=app; /b=app\x1b[2J",
		"CONSUL_HTTP_TOKEN=secret", "OTEL_SERVICE_NAME=web", "HOME=/root",
	}}, "env")
	if got.code != 0 || got.stderr != "" || strings.Contains(got.stdout, "secret") {
		t.Fatalf("env: %+v, want code 0 and no secret", got)
	}
	for line := range strings.Lines(got.stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > envWidth || strings.Contains(line, "\x1b") {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	for _, want := range []string{
		"* GATEWAY_LISTEN                 :8080 ", " set to :9000\n", "* GATEWAY_APP ", " set to nothing\n",
		"\n  GATEWAY_SERVICE                app  ", "* CONSUL_HTTP_TOKEN ", sidecar.Masked, " set to web\n",
		"  " + long[:41] + "\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("env does not print %q:\n%s", want, got.stdout)
		}
	}
}

func TestEnvOfTheRunningGateway(t *testing.T) {
	address := admin(t, sidecar.Status{Settings: []sidecar.Setting{
		{Name: "GATEWAY_SERVICE", Value: "web", From: "environment"},
		{Name: "GATEWAY_APP", From: "default"},
		{Name: "GATEWAY_SOURCE", Value: "file", From: "verb"},
		{Name: "GATEWAY_LISTEN", Value: ":9000", From: "flag"},
		{Name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Value: "delta", From: "environment"},
	}}, "it does not matter whether it is ready")
	got := do(t, Process{}, "env", "--running", "--admin-listen", address)
	const want = `  VARIABLE                              FROM         VALUE
* GATEWAY_SERVICE                       environment  web
  GATEWAY_APP                           default      (none)
  GATEWAY_SOURCE                        verb         file
* GATEWAY_LISTEN                        flag         :9000
* OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE environment  delta
`
	if got.code != 0 || got.stderr != "" || got.stdout != want {
		t.Errorf("env --running: %+v, want\n%s", got, want)
	}
}
