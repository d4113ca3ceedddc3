package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// tally counts requests by the endpoint that got them.
type tally struct {
	mu sync.Mutex // guards of
	of map[string]int
}

// app is an endpoint that counts under a name.
func (c *tally) app(t *testing.T, name string, h2 bool) string {
	return versionBackend(t, h2, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.of[name]++
	})
}

// ask sends n requests, one after the other.
func (c *tally) ask(t *testing.T, g *gateway, h2 bool, n int) {
	t.Helper()
	client := versionClient(t, h2)
	for range n {
		res, err := client.Get("http://" + g.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("status = %d", res.StatusCode)
		}
	}
}

// Requests are split by the weights of the clusters, whatever version the client and each of the clusters speak.
func TestSplitByWeight(t *testing.T) {
	const requests = 800
	for _, down2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2 client %v", down2), func(t *testing.T) {
			c := &tally{of: map[string]int{}}
			g := start(t, fmt.Sprintf(`
routes:
- name: all
  match: {path_prefix: /}
  clusters: [{name: one, weight: 3}, {name: two, weight: 1}, {name: none, weight: 0}]
clusters:
- {name: one, protocol: http2, endpoints: [%q]}
- {name: two, endpoints: [%q]}
- {name: none, endpoints: [%q]}
`, c.app(t, "one", true), c.app(t, "two", false), c.app(t, "none", false)))
			c.ask(t, g, down2, requests)
			// Three in four, give or take six standard deviations of 1.5 %.
			if share := float64(c.of["one"]) / requests; share < 0.66 || share > 0.84 || c.of["one"]+
				c.of["two"] != requests {
				t.Errorf("requests = %v, want 3 to 1 and none", c.of)
			}
		})
	}
}

func TestSplitOverRevisions(t *testing.T) {
	c := &tally{of: map[string]int{}}
	one, two := c.app(t, "one", false), c.app(t, "two", false)
	document := func(one_, two_ int) string {
		return fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, clusters: [{name: one, weight: %d}, {name: two, weight: %d}]}
clusters:
- {name: one, endpoints: [%q]}
- {name: two, endpoints: [%q]}
`, one_, two_, one, two)
	}
	g := start(t, document(1, 0))
	c.ask(t, g, false, 50)
	g.apply(document(0, 65535))
	c.ask(t, g, false, 30)
	if c.of["one"] != 50 || c.of["two"] != 30 {
		t.Errorf("requests = %v, want 50 and 30", c.of)
	}
}

// A cluster without a usable endpoint fails its share: traffic does not move by itself.
func TestSplitDoesNotMove(t *testing.T) {
	c := &tally{of: map[string]int{}}
	g := start(t, fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, clusters: [{name: one, weight: 0}, {name: two, weight: 1}]}
clusters:
- {name: one, endpoints: [%q]}
- {name: two, endpoints: [{address: "127.0.0.1:1", weight: 0}]}
`, c.app(t, "one", false)))
	if res, body := g.ask(get("/")); res.StatusCode != 503 || !strings.HasPrefix(body, "no healthy upstream") {
		t.Errorf("answer = %d %q, want 503", res.StatusCode, body)
	}
	g.counted(telemetry.UH, 1)
}

// The first requests to endpoints that nothing is connected to yet take turns like all others.
func TestRoundRobinOverHTTP2(t *testing.T) {
	c := &tally{of: map[string]int{}}
	g := start(t, clustered("", "protocol: http2", c.app(t, "a", true), c.app(t, "b", true), c.app(t, "c", true)))
	c.ask(t, g, true, 9)
	if c.of["a"] != 3 || c.of["b"] != 3 || c.of["c"] != 3 {
		t.Errorf("requests = %v, want 3 each", c.of)
	}
	testserver.WaitFor(t, patience, "leases to end", func() bool { return g.set.Status()[0].InFlight == 0 })
}
