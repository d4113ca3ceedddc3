package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// Another cluster stands in while the first has no usable endpoint, and no longer; also where the first one speaks
// another version.
func TestFailoverInEachVersion(t *testing.T) {
	eachPair(t, func(addr func(string) string, protocol string) string {
		return fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, cluster: one}
clusters:
- {name: one, protocol: %[1]s, endpoints: [%[2]q], consul: {service: one}, failover: [two, three]}
- {name: two, protocol: %[1]s, endpoints: [%[3]q], consul: {service: two}}
- {name: three, endpoints: [%[4]q]}
`, protocol, addr("one"), addr("two"), namedBackend(t, false, "three"))
	}, func(t *testing.T, g *gateway, c *http.Client) {
		state := func(name string, s cluster.State) {
			cl := g.Clusters[name]
			cl.SetEndpoints([]cluster.Instance{{Address: cl.Config().Endpoints[0].Address, Weight: 1, State: s}})
		}
		for _, step := range []struct {
			cluster string
			state   cluster.State
			want    string
		}{
			{"one", cluster.Passing, "one"},
			{"one", cluster.Critical, "two"},
			{"two", cluster.Maintenance, "three"},
			{"two", cluster.Passing, "two"},
			{"one", cluster.Passing, "one"},
		} {
			state(step.cluster, step.state)
			for range 3 {
				if _, body := send(t, c, "http://"+g.addr, ""); body != step.want {
					t.Fatalf("%s is %s: %q answers, want %q", step.cluster, step.state, body, step.want)
				}
			}
			e, err := g.server.Explain(route.ExplainRequest{URL: "http://a/"}, config.Standard())
			if err != nil {
				t.Fatal(err)
			}
			last := e.Clusters[len(e.Clusters)-1]
			if last.Name != step.want || (last.StandsInFor == "") != (step.want == "one") {
				t.Errorf("explained as %s, which stands in for %q", last.Name, last.StandsInFor)
			}
		}
	})
}

// The endpoint that refuses connections is found out by the requests, and the others stand in.
func TestFailoverByRequests(t *testing.T) {
	log := newLog(t)
	g := start(t, fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, cluster: one}
clusters:
- {name: one, endpoints: [%q], failover: [two], passive_health: {consecutive_failures: 3}}
- {name: two, endpoints: [%q]}
`, testserver.Addr(t), namedBackend(t, false, "two")), log.use)
	var codes []string
	for range 5 {
		res, _ := g.ask(get("/"))
		codes = append(codes, fmt.Sprint(res.StatusCode))
	}
	if got := strings.Join(codes, " "); got != "502 502 502 200 200" {
		t.Errorf("answers = %s", got)
	}
	for _, l := range log.lines(5) { // in no order
		if want := map[any]string{502.0: "one", 200.0: "two"}[l["status"]]; l["cluster"] != want {
			t.Errorf("%v is logged of %v, want %s", l["status"], l["cluster"], want)
		}
	}
}

// A cluster that stands in, and is away itself, is found out too: the next one of the list stands in. It does not
// matter that it has one endpoint only, or two.
func TestFailoverPastAClusterThatIsAway(t *testing.T) {
	eachPair(t, func(addr func(string) string, protocol string) string {
		return fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, cluster: one}
clusters:
- {name: one, protocol: %[1]s, endpoints: [%[2]q], failover: [two, three, four],
   passive_health: {consecutive_failures: 2}}
- {name: two, protocol: %[1]s, endpoints: [%[3]q], passive_health: {consecutive_failures: 2}}
- {name: three, protocol: %[1]s, endpoints: [%[4]q, %[5]q], passive_health: {consecutive_failures: 2}}
- {name: four, protocol: %[1]s, endpoints: [%[6]q]}
`, protocol, testserver.Addr(t), testserver.Addr(t), testserver.Addr(t), testserver.Addr(t), addr("four"))
	}, func(t *testing.T, g *gateway, c *http.Client) {
		const failures = 2 + 2 + 2 // an attempt goes to both endpoints of three
		for i := range failures + 3 {
			_, body := send(t, c, "http://"+g.addr, "")
			if i >= failures && body != "four" {
				t.Fatalf("request %d: %q answers, want four", i, body)
			}
		}
	})
}
