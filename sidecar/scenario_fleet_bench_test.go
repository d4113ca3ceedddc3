package sidecar_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// fleetSize is how many gateways follow one Consul in the benchmark.
const fleetSize = 30

// counted is a way to Consul that counts the requests, by kind.
func counted(b *testing.B, consul *testserver.ConsulServer) (address string, all, writes *atomic.Int64) {
	b.Helper()
	all, writes = &atomic.Int64{}, &atomic.Int64{}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: consul.Addr()})
	to.Transport = &http.Transport{MaxIdleConnsPerHost: 8 * fleetSize}
	to.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if r.Method == http.MethodPut {
			writes.Add(1)
		}
		to.ServeHTTP(w, r)
	}))
	b.Cleanup(server.Close)
	return server.Listener.Addr().String(), all, writes
}

// Thirty gateways on one Consul: how long from the start of a push until the last of them serves it. Also measured is
// the time until its author knows that. The load on Consul of that, and of nothing, is requests and time of the
// processors.
func BenchmarkFleet(b *testing.B) {
	consul := testserver.Consul(b)
	consul.Register(testserver.Service{Name: "shop", Port: port(b, app(b, "shop"))})
	address, all, writes := counted(b, consul)
	document := func(n int) string {
		return fmt.Sprintf("routes: [{name: all, cluster: c}, {name: n, match: {path: /n}, respond: {status: 200, "+
			"body: "+
			"\"%d\"}}]\nclusters: [{name: c, consul: {service: shop}}]\n", n)
	}
	environ := env{"CONSUL_HTTP_ADDR": address, "GATEWAY_SERVICE": "web", "GATEWAY_ACCESS_LOG": "off"}
	consul.KVPut("gateway/web/config", document(-1))
	cpu := func() time.Duration {
		used, _ := consul.CPU() // 0 where it is not known
		return used
	}
	rest := func(d time.Duration) (requests float64, used time.Duration) {
		beforeAll, beforeCPU := all.Load(), cpu()
		over := time.NewTimer(d)
		<-over.C
		return float64(all.Load()-beforeAll) / d.Seconds(), cpu() - beforeCPU
	}
	idleFor := atRest(20 * time.Second)
	_, aloneCPU := rest(idleFor)
	gateways := make([]*gateway, fleetSize)
	for i := range gateways {
		environ["GATEWAY_INSTANCE"] = fmt.Sprint("web-", i)
		gateways[i] = launch(b, environ)
	}
	for _, g := range gateways {
		g.answers("/n", http.StatusOK, "-1")
	}
	rest(atRest(3 * time.Second)) // what they have to say after the start
	idle, idleCPU := rest(idleFor)

	var served, told []time.Duration
	var requests, written int64
	var pushCPU time.Duration
	pace := time.NewTicker(2500 * time.Millisecond) // nobody is slower at speaking by it
	defer pace.Stop()
	for n := 0; b.Loop(); n++ {
		<-pace.C
		beforeAll, beforeWrites, beforeCPU := all.Load(), writes.Load(), cpu()
		begun := time.Now()
		pushAndWait(b, environ, document(n))
		told = append(told, time.Since(begun))
		last := time.Duration(0)
		for _, g := range gateways {
			last = max(last, g.status().Revision.Since.Sub(begun))
		}
		served = append(served, last)
		requests += all.Load() - beforeAll
		written += writes.Load() - beforeWrites
		pushCPU += cpu() - beforeCPU
	}
	report := func(took []time.Duration, what string) {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), what+"-p50-ms")
		b.ReportMetric(float64(took[len(took)-1])/float64(time.Millisecond), what+"-max-ms")
	}
	report(served, "served")
	report(told, "told")
	b.ReportMetric(idle, "idle-requests/s")
	b.ReportMetric(float64(requests)/float64(len(told)), "requests/push")
	b.ReportMetric(float64(written)/float64(len(told)), "writes/push")
	b.ReportMetric(float64(aloneCPU.Milliseconds())/idleFor.Seconds(), "consul-alone-ms/s")
	b.ReportMetric(float64(idleCPU.Milliseconds())/idleFor.Seconds(), "consul-idle-ms/s")
	b.ReportMetric(float64(pushCPU.Milliseconds())/float64(len(told)), "consul-ms/push")
	b.ReportMetric(0, "ns/op")
}

// pushAndWait pushes a document, and waits until all say that they serve it.
func pushAndWait(b *testing.B, environ env, document string) {
	b.Helper()
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, "push", "-", "--wait", "30s")
	cmd.Stdin = strings.NewReader(document)
	for _, name := range []string{"CONSUL_HTTP_ADDR", "GATEWAY_SERVICE"} {
		cmd.Env = append(cmd.Env, name+"="+environ[name])
	}
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), fmt.Sprintf("\n%d serve\n", fleetSize)) {
		b.Fatalf("push: %v\n%s", err, text)
	}
}
