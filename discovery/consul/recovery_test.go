package consul

import (
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A connection dies without FIN or RST while new ones work: what is registered and put afterwards is
// delivered after one look.
func deadConnection(t *testing.T, consul *testserver.ConsulServer) {
	const key = "gateway/dead/config"
	consul.KVPut(key, "old")
	wire := newProxy(t, consul.Addr())
	c := newConsul(t, wire.addr(), func(o *Options) { o.Wait = 2 * time.Minute })
	runConsul(t, c)
	source := kvSource(t, c, key)
	documents := follow(t, source)
	catalog := runCatalog(t, c)
	api := Query{Service: "api"}
	catalog.Watch([]Query{api})
	want(t, documents, "old")
	taken(t, catalog, api, "negative")
	parked := func() bool {
		p, _, _, _ := c.parked()
		return p == 2
	}
	testserver.WaitFor(t, patience, "both requests to be parked", parked)

	wire.freeze()
	start := time.Now()
	consul.KVPut(key, "new")
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001})
	want(t, documents, "new")
	taken(t, catalog, api, "127.0.0.1:9001*1/passing")
	took := time.Since(start)
	t.Logf("delivered after %v", took)
	if most := lookEvery + toldWithin + 2*time.Second; took > most {
		t.Errorf("delivered after %v, want within %v", took, most)
	}
}

// Consul is away for a while, and what is registered meanwhile is delivered within two seconds of its
// return.
func returnOfConsul(t *testing.T, consul *testserver.ConsulServer) {
	wire := newProxy(t, consul.Addr())
	c := newConsul(t, wire.addr(), func(o *Options) { o.Wait = 2 * time.Minute })
	runConsul(t, c)
	catalog := runCatalog(t, c)
	api := Query{Service: "api"}
	catalog.Watch([]Query{api})
	taken(t, catalog, api, "negative")
	wire.cut()
	testserver.WaitFor(t, patience, "five errors", func() bool { return catalog.Status()[0].Failing >= 5 })
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001})
	start := time.Now()
	wire.mend()
	taken(t, catalog, api, "127.0.0.1:9001*1/passing")
	took := time.Since(start)
	t.Logf("delivered after %v", took)
	if took > 2*time.Second {
		t.Errorf("delivered after %v, want within 2s", took)
	}
}

// parked counts the watches by what they do.
func (c *Client) parked() (parked, pausing, plain, idle int) {
	for _, w := range c.monitor.all() {
		switch p, _, _, _ := w.status(); p {
		case phaseParked:
			parked++
		case phasePausing:
			pausing++
		case phasePlain:
			plain++
		case phaseIdle:
			idle++
		}
	}
	return parked, pausing, plain, idle
}
