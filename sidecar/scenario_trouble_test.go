package sidecar_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// statusText is what gateway status prints.
func (g *gateway) statusText() string {
	g.t.Helper()
	path, err := binary()
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := exec.Command(path, "status", "--admin-listen", strings.TrimPrefix(g.admin, "http://")).CombinedOutput()
	if err != nil {
		g.t.Fatalf("gateway status: %v\n%s", err, out)
	}
	return string(out)
}

// With everything wrong at once the gateway is ready, and its status names each cause before all else.
func TestStatusNamesTheCause(t *testing.T) {
	t.Parallel()
	ca := testcert.NewCA(t, "front")
	expired := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.example"}, NotAfter: time.Now().Add(-time.Hour)})
	cert, key := expired.Write(t, t.TempDir(), "expired")
	answers := backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/500"):
			w.WriteHeader(500)
		case strings.HasPrefix(r.URL.Path, "/hang"):
			<-r.Context().Done()
		}
	}))
	secure, document := testserver.Addr(t), t.TempDir()+"/gateway.yaml"
	dead := testserver.Addr(t)
	text := fmt.Sprintf(`
listeners: [{name: secure, address: %q, tls: {certificates: [{cert_file: %q, key_file: %q}]}}]
routes:
  - {name: dead, match: {path_prefix: /dead}, cluster: dead}
  - {name: failing, match: {path_prefix: /500}, cluster: failing}
  - {name: hanging, match: {path_prefix: /hang}, cluster: hanging, timeouts: {upstream: 50ms}}
  - {name: limited, match: {path_prefix: /limited}, cluster: well, rate_limit: {rate: 0.1}}
  - {name: well, cluster: well}
clusters:
  - {name: dead, endpoints: [%q]}
  - {name: failing, endpoints: [%q], passive_health: {consecutive_failures: 1000}}
  - {name: hanging, endpoints: [%q], passive_health: {consecutive_failures: 1000}}
  - {name: well, endpoints: [%q]}
`, secure, cert, key, dead, answers, answers, answers)
	write(t, document, text)
	g := serve(t, env{"GATEWAY_CONFIG": document})
	for _, row := range []struct {
		path string
		want int
	}{{"/dead", 502}, {"/500", 500}, {"/hang", 504}, {"/limited", 429}} {
		g.answers("/", 200, "")
		for range 6 {
			code, _, err := fetch(g.url + row.path)
			if err != nil || code != row.want && code != 503 && code != 200 {
				t.Errorf("%s: %d, %v", row.path, code, err)
			}
		}
	}
	write(t, document, text+"nonsense: 1\n")
	g.wait("the document to be rejected", func(s status) bool { return s.Revision.LastRejected != nil })
	got := g.statusText()
	lines := strings.Split(got, "\n")
	first := strings.Join(lines[:min(10, len(lines))], "\n")
	for _, want := range []string{
		"ready, 3 of 4 clusters in trouble\n",
		"cluster dead: 6 of 6 attempts failed in the last minute: UF 6; " + dead +
			": connect: connection refused, 6 in a row",
		"cluster failing: 6 of 6 attempts failed in the last minute: 5xx 6",
		"cluster hanging: 6 of 6 attempts failed in the last minute: UT 6; " + answers + ": upstream timeout",
		"the newest document is rejected: ", "nonsense",
		"5 requests refused by a rate limit in the last minute (RL)",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("the first ten lines have no %q:\n%s", want, got)
		}
	}
	// It is made an hour before, and the test may take some minutes more.
	says := regexp.MustCompile(`certificate ` + regexp.QuoteMeta(cert) + `: EXPIRED (60|61|62|63|64|65) min`)
	if !says.MatchString(first) {
		t.Errorf("the first ten lines have no %q:\n%s", says, got)
	}
}

// Files that Consul's client and the exporters read are looked after as those of the document.
func TestForeignCertificatesThatHaveExpired(t *testing.T) {
	t.Parallel()
	ca := testcert.NewCA(t, "back")
	cert, key := ca.Leaf(t, testcert.Leaf{
		DNS: []string{"gateway.example"}, NotAfter: time.Now().Add(-time.Hour),
	}).Write(t, t.TempDir(), "expired")
	for name, variables := range map[string]env{
		"Consul's client": {"CONSUL_CLIENT_CERT": cert, "CONSUL_CLIENT_KEY": key},
		"Consul's CA":     {"CONSUL_CACERT": cert},
		"OTLP":            {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": cert, "OTEL_EXPORTER_OTLP_CLIENT_KEY": key},
		"metrics":         {"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": cert},
		"traces": {
			"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": cert, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": key,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables["GATEWAY_APP"] = testserver.Addr(t)
			g := serve(t, variables)
			if got := g.statusText(); !strings.Contains(got, "certificate "+cert+": EXPIRED ") {
				t.Errorf("the status does not name it:\n%s", got)
			}
			if lines := g.logged("certificate file has expired"); len(lines) != 1 || lines[0]["path"] != cert {
				t.Errorf("the log says %v, want it once", lines)
			}
		})
	}
}
