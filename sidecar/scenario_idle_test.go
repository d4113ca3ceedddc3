package sidecar_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What an idle gateway holds of its own stays small with all that shows what it does: metrics, spans, rates, failures.
// The pages of its program that only the start needed are gone.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	if len(buildFlags) > 0 {
		t.Skip("the race detector has memory of its own")
	}
	consul, collector := testserver.Consul(t), testserver.Collector(t)
	consul.Register(testserver.Service{Name: "shop", Port: port(t, app(t, "shop"))})
	consul.KVPut("gateway/app/config", discovered("shop"))
	g := serve(t, env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.Endpoint(),
		"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "always_on",
		"GATEWAY_STATE_DIR": t.TempDir() + "/state",
	})
	g.answers("/", http.StatusOK, "shop")
	for _, path := range []string{"/status", "/failures", "/metrics"} {
		if code, _, err := fetch(g.admin + path); code != http.StatusOK {
			t.Errorf("GET %s: %d, %v", path, code, err)
		}
	}
	// In MiB: twice of what was measured for its own memory, and what all takes before pages of its program go is 31.
	const own, all = 16, 26
	testserver.WaitFor(t, longestWait, "its own memory to be small",
		func() bool { return resident(t, g, "RssAnon") <= own })
	// Pages go at the first quiet moment, and again a minute later.
	testserver.WaitFor(t, time.Minute+longestWait, "its memory to be small",
		func() bool { return resident(t, g, "VmRSS") <= all })
	t.Logf("%.1f MiB, of which %.1f its own", resident(t, g, "VmRSS"), resident(t, g, "RssAnon"))
}
