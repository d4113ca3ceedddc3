package consul

import (
	"fmt"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A server is rebuilt from nothing behind a client agent. The agent's view of a service stays as it was for a while,
// with a higher index. What the new server knows is delivered all the same, and what the gateway says is said to it
// too.
func TestServerRebuiltBehindAnAgent(t *testing.T) {
	testserver.Goroutines(t)
	server := testserver.Consul(t)
	agent := testserver.ConsulAgent(t, server)
	for i := range 20 { // the index of the new server stays below that of the old one
		server.KVPut(fmt.Sprint("filler/", i), "x")
	}
	server.RegisterNode("elsewhere", testserver.Service{ID: "old", Name: "api", Address: "10.0.0.1", Port: 9001})
	c := newConsul(t, agent.Addr(), func(o *Options) { o.Wait = 2 * time.Minute })
	runConsul(t, c)
	documents := follow(t, kvSource(t, c, "filler/last"))
	catalog := runCatalog(t, c)
	api := Query{Service: "api"}
	catalog.Watch([]Query{api})
	taken(t, catalog, api, "10.0.0.1:9001*1/passing")
	want(t, documents, "(negative)")
	server.KVPut("filler/last", "x")
	want(t, documents, "x")
	ack := newAck(c, "one")
	speak(t, ack)
	ack.Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
	first := hears(t, server, "one", discovery.RevisionApplied)

	server.Stop()
	server.Wipe()
	server.Start()
	agent.Join(server)
	server.RegisterNode("elsewhere", testserver.Service{ID: "new", Name: "api", Address: "10.0.0.2", Port: 9001})
	start := time.Now()
	taken(t, catalog, api, "10.0.0.2:9001*1/passing")
	took := time.Since(start)
	t.Logf("delivered %v after it was registered; %+v", took, catalog.Status())
	if most := compareEvery + toldWithin + 2*time.Second; took > most {
		t.Errorf("delivered after %v, want within %v", took, most)
	}
	// Long before its session is due.
	if h := hears(t, server, "one", discovery.RevisionApplied); h.Session == first.Session {
		t.Error("the verdict has a session of the server that is gone")
	}
	for range 5 { // and it stays
		<-time.After(time.Second)
		if e, _ := catalog.Endpoints(api); show(e) != "10.0.0.2:9001*1/passing" {
			t.Fatalf("went back to %s", show(e))
		}
	}
}
