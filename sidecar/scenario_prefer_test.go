package sidecar_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// Endpoints of the same node or zone come first; the others take what is too much for those that are healthy.
func TestPrefer(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.ConsulConfig(map[string]any{
		"node_meta": map[string]any{"zone": "eu-1a"},
	}))
	for i, row := range []struct{ name, zone, prefer, here, served string }{
		{"zone of the environment", "eu-1b", "zone", "eu-1b", "far"},
		{"zone of the node", "", "zone", "eu-1a", "near"},
		{"node", "eu-1b", "node", "test", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			service := fmt.Sprint("sided-", i)
			register := func(id, zone, says string) {
				consul.Register(testserver.Service{ID: service + id, Name: service, Zone: zone,
					Port: port(t, app(t, says))})
			}
			register("a1", "", "near") // in the zone of its node
			register("a2", "eu-1a", "near")
			register("b1", "eu-1b", "far")
			g, key := follower(t, consul, env{"GATEWAY_ZONE": row.zone})
			consul.KVPut(key, fmt.Sprintf(`
routes: [{name: all, cluster: c}]
clusters: [{name: c, consul: {service: %s, prefer: %s}}]
`, service, row.prefer))
			prefers := func(share float64) {
				t.Helper()
				g.wait(fmt.Sprintf("a share of %v", share), func(s status) bool {
					if len(s.Clusters) != 1 || s.Clusters[0].Prefer == nil {
						return false
					}
					p := s.Clusters[0].Prefer
					return p.By == row.prefer && p.Here == row.here && p.Share > share-0.01 && p.Share < share+0.01
				})
			}
			prefers(1)
			if row.served == "" { // all are on the one node
				return
			}
			if seen := g.split("/", 12); seen[row.served] != 12 {
				t.Errorf("served by %v, want %s alone", seen, row.served)
			}
			if row.served != "near" {
				return
			}
			consul.Critical(service + "a1")
			prefers(0.7)
			g.waitLogged("too few near endpoints are healthy, others are used too")
			consul.Critical(service + "a2")
			prefers(0)
			if seen := g.split("/", 12); seen["far"] != 12 {
				t.Errorf("served by %v, want those of the other zone", seen)
			}
			consul.Pass(service + "a1")
			consul.Pass(service + "a2")
			prefers(1)
			g.waitLogged("near endpoints take all requests again")
		})
	}
}

// A gateway that starts while Consul is away prefers what is near to where it ran: the state directory has that.
func TestPreferFromTheState(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.ConsulConfig(map[string]any{
		"node_meta": map[string]any{"zone": "eu-1a"},
	}))
	consul.Register(testserver.Service{ID: "a", Name: "sided", Zone: "eu-1a", Port: port(t, app(t, "near"))})
	consul.Register(testserver.Service{ID: "b", Name: "sided", Zone: "eu-1b", Port: port(t, app(t, "far"))})
	consul.KVPut("gateway/app/config", `
routes: [{name: all, cluster: c}]
clusters: [{name: c, consul: {service: sided, prefer: zone}}]
`)
	environ := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_STATE_DIR": stateDir(t)}
	g := launch(t, environ)
	here := func(s status) string {
		if len(s.Clusters) != 1 || s.Clusters[0].Prefer == nil {
			return ""
		}
		return s.Clusters[0].Prefer.Here
	}
	g.waitLogged("where the gateway runs")
	g.wait("the zone of the agent", func(s status) bool { return here(s) == "eu-1a" })
	g.stop()
	consul.Stop()

	g = launch(t, environ)
	g.answers("/", http.StatusOK, "near")
	if seen := g.split("/", 12); seen["near"] != 12 || here(g.status()) != "eu-1a" {
		t.Errorf("served by %v from zone %q, want those of the zone in the state", seen, here(g.status()))
	}
	g.stop()

	environ["GATEWAY_ZONE"] = "eu-1b" // it wins
	g = launch(t, environ)
	g.answers("/", http.StatusOK, "far")
	g.stop()
	delete(environ, "GATEWAY_ZONE") // and is not kept
	g = launch(t, environ)
	g.waitLogged("serves from the state directory until the source delivers")
	g.wait("the zone not to be known", func(s status) bool { return len(s.Clusters) == 1 && here(s) == "" })
}
