package l4_test

import (
	"fmt"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// New connections go to the cluster that stands in while the first has no usable endpoint.
func TestFailover(t *testing.T) {
	g := start(t, fmt.Sprintf(`
listeners: [{name: in, address: "127.0.0.1:0", protocol: tcp, cluster: one}]
clusters:
- {name: one, protocol: tcp, consul: {service: one}, failover: [two]}
- {name: two, protocol: tcp, endpoints: [%q]}
`, backend(t, banner("two"))))
	one := backend(t, banner("one"))
	for i, step := range []struct {
		state cluster.State
		want  string
	}{{cluster.Passing, "one"}, {cluster.Critical, "two"}, {cluster.Passing, "one"}} {
		g.Clusters["one"].SetEndpoints([]cluster.Instance{{Address: one, Weight: 1, State: step.state}})
		c := g.dial("in")
		expect(t, c, step.want)
		c.Close()
		if l := g.lines(i + 1)[i]; l.Cluster != step.want {
			t.Errorf("logged %s, want %s", l.Cluster, step.want)
		}
	}
}
