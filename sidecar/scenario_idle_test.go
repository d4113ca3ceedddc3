package sidecar_test

import (
	"net/http"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What an idle gateway holds of its own stays small with all that shows what it does: metrics, spans, rates, failures.
// The pages of the executable are not counted: how many of them are resident is up to the kernel.
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
	const most = 16 // MiB, twice of what was measured
	testserver.WaitFor(t, longestWait, "its own memory to be small",
		func() bool { return resident(t, g, "RssAnon") <= most })
}
