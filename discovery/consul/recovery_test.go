package consul

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A connection dies without FIN or RST while new ones work. What is registered and put afterwards is delivered after
// one small request over the old ones.
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
		return p == 2 && wire.connections() == 3
	}
	testserver.WaitFor(t, patience, "both requests to be parked, and the first small one", parked)

	wire.freeze()
	start := time.Now()
	consul.KVPut(key, "new")
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001})
	want(t, documents, "new")
	taken(t, catalog, api, "127.0.0.1:9001*1/passing")
	took := time.Since(start)
	t.Logf("delivered after %v", took)
	if most := beatEvery + probeEvery + overdue + time.Second; took > most {
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
		switch w.status().phase {
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

// Over HTTP/2 all watches share a connection. All of them leave one that died without a sign, and the requests that
// follow do not use it.
func TestDeadHTTP2Connection(t *testing.T) {
	testserver.Goroutines(t)
	var index atomic.Int64
	index.Store(7)
	news := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := index.Load()
		if r.URL.Query().Get("index") == strconv.FormatInt(seen, 10) {
			select {
			case <-news:
			case <-r.Context().Done():
				return
			}
		}
		say(w, strconv.FormatInt(index.Load(), 10), fmt.Sprintf(
			`[{"Node":{"Node":"n"},"Service":{"ID":"a","Address":"10.0.0.%d","Port":80},"Checks":[]}]`, index.Load()))
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = hclog.NewNullLogger().StandardLogger(nil) // of handshakes that are cut at the end
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	wire := newProxy(t, server.Listener.Addr().String())
	clearEnvironment(t)
	t.Setenv("CONSUL_HTTP_ADDR", "https://"+wire.addr())
	t.Setenv("CONSUL_CACERT", path)
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.link.Load().http.CloseIdleConnections() })
	catalog := runCatalog(t, c)
	api, other := Query{Service: "api"}, Query{Service: "other"}
	catalog.Watch([]Query{api, other})
	waitAnswers(t, catalog)
	testserver.WaitFor(t, patience, "both requests to be parked", func() bool {
		p, _, _, _ := c.parked()
		return p == 2
	})
	if !c.http2.Load() {
		t.Fatal("not over HTTP/2")
	}
	wire.freeze()
	index.Store(8)
	close(news)
	if !c.monitor.beat(t.Context()) {
		t.Error("Consul did not respond over a new connection")
	}
	for _, q := range []Query{api, other} {
		testserver.WaitFor(t, patience, "the new instance of "+q.Service, func() bool {
			e, _ := catalog.Endpoints(q)
			return show(e) == "10.0.0.8:80*1/passing"
		})
	}
}
