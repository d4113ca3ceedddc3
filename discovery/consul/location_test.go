package consul

import (
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// The zone of an instance is its own, else that of its node: of its locality, else of its meta data.
func catalogTellsZones(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{ID: "z1", Name: "zoned", Port: 9001, Zone: "eu-1a"})
	t.Cleanup(func() { consul.Deregister("z1") })
	port := 9001
	for node, extra := range map[string]map[string]any{
		"n-locality": {"Locality": map[string]string{"Region": "eu-1", "Zone": "eu-1b"},
			"NodeMeta": map[string]string{"zone": "no"}},
		"n-meta": {"NodeMeta": map[string]string{"zone": "eu-1c"}},
		"n-none": {},
	} {
		port++
		extra["Node"], extra["Address"] = node, "127.0.0.2"
		extra["Service"] = map[string]any{"ID": node, "Service": "zoned", "Port": port}
		consul.Call("PUT", "/v1/catalog/register", extra)
		t.Cleanup(func() { consul.DeregisterNode(node) })
	}
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	q := Query{Service: "zoned"}
	catalog.Watch([]Query{q})
	waitAnswers(t, catalog)
	e, _ := catalog.Endpoints(q)
	var all []string
	for _, i := range e.Instances {
		all = append(all, i.ID+"="+i.Zone)
	}
	slices.Sort(all)
	want := "n-locality=eu-1b n-meta=eu-1c n-none= z1=eu-1a"
	if got := strings.Join(all, " "); got != want {
		t.Errorf("zones %s, want %s", got, want)
	}
}

// The agent tells its node, or one of its checks does to those who may not read the agent; the catalog its zone.
func TestLocate(t *testing.T) {
	testserver.Goroutines(t)
	consul := testserver.Consul(t, testserver.DenyByDefault, testserver.ConsulConfig(map[string]any{
		"node_meta": map[string]any{"zone": "eu-1a"}, "node_name": "host-7",
	}))
	consul.Register(testserver.Service{Name: "app", Port: 9001})
	for _, row := range []struct{ name, rules, want, err string }{
		{"the agent", `agent_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`, "host-7 dc1 eu-1a", ""},
		{"a check", `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`, "host-7 dc1 eu-1a", ""},
		{"nothing", `key_prefix "" { policy = "read" }`, " dc1 ",
			"the agent does not tell its node: the token needs agent:read"},
		{"not the node", `agent_prefix "" { policy = "read" }`, "host-7 dc1 ",
			"node host-7 cannot be read: the token needs node:read"},
	} {
		token := consul.NewToken(row.rules).Secret
		c := newConsul(t, consul.Addr(), func(o *Options) { o.Token = token })
		testserver.WaitFor(t, patience, "the location by "+row.name, func() bool {
			l, err := c.Locate(t.Context())
			why := ""
			if err != nil {
				why = err.Error()
			}
			got := l.Node + " " + l.Datacenter + " " + l.Zone
			if got != row.want || why != row.err {
				t.Logf("%s: %q, %s", row.name, got, why)
			}
			return got == row.want && why == row.err
		})
	}
}
