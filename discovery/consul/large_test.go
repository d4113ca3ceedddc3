package consul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A service has 2,000 instances of which ten change each second. Every change is in the second response that begins
// after it. It is known within the pause between two requests and two responses: one that had begun before it, and the
// next. On a quiet machine that is 1.7 seconds.
func largeServiceThatChanges(t *testing.T, consul *testserver.ConsulServer) {
	register := func(i, port int) {
		consul.RegisterNode(fmt.Sprint("large-", i), testserver.Service{
			ID: fmt.Sprint("large-", i), Name: "large", Address: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), Port: port,
		})
	}
	for i := range 2000 {
		register(i, 80)
	}
	c := newConsul(t, consul.Addr(), func(o *Options) { o.Wait = 2 * time.Minute })
	runConsul(t, c)
	catalog := runCatalog(t, c)
	large := Query{Service: "large"}
	catalog.Watch([]Query{large})
	waitAnswers(t, catalog)
	response := slowestResponse(t, consul, "/v1/health/service/large")
	watch := catalog.watchOf(large)
	changed := map[string]change{} // by port
	var slowest time.Duration
	known := func() {
		seen := watch.snapshot()
		for _, i := range seen.last.value {
			port := i.Address[strings.LastIndexByte(i.Address, ':')+1:]
			if c, ok := changed[port]; ok {
				slowest = max(slowest, time.Since(c.at))
				delete(changed, port)
			}
		}
		for port, c := range changed {
			if seen.version >= c.version+2 {
				t.Errorf("the change to port %s, made at response %d, is not in response %d",
					port, c.version, seen.version)
				delete(changed, port)
			}
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 60 {
		<-tick.C
		at := time.Now()
		register(i*30, 1000+i)
		changed[fmt.Sprint(1000+i)] = change{at, watch.snapshot().version}
		known()
	}
	testserver.WaitFor(t, patience, "the last changes", func() bool { known(); return len(changed) == 0 })
	r := response()
	// How long it took says nothing where the race detector makes all of it ten times slower; the pause is the same.
	const longest = 1500 * time.Millisecond
	if every := time.Duration(float64(time.Second) / float64(watch.limiter.Limit())); every > longest {
		t.Errorf("%v between two requests, want at most %v", every, longest)
	}
	t.Logf("the slowest change was known after %v, the slowest response took %v", slowest, r)
	if limit := longest + 2*r; slowest > limit && !testserver.Race {
		t.Errorf("the slowest change was known after %v, want within %v", slowest, limit)
	}
	for i := range 2000 {
		consul.DeregisterNode(fmt.Sprint("large-", i))
	}
}

// change is one to an instance: when it was begun, and the response that was known when it had been made.
type change struct {
	at      time.Time
	version uint64
}

// watchOf is the watch that follows what q is about.
func (c *Catalog) watchOf(q Query) *watch[[]cluster.Instance] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watches[q.service()].watch
}

// slowestResponse asks for a path until the returned function is called, which tells how long the slowest response took
// to come and to be read.
func slowestResponse(t *testing.T, consul *testserver.ConsulServer, path string) func() time.Duration {
	t.Helper()
	stop, slowest := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		var most time.Duration
		defer func() { slowest <- most }()
		again := time.NewTicker(500 * time.Millisecond)
		defer again.Stop()
		for {
			begun := time.Now()
			resp, err := http.Get("http://" + consul.Addr() + path)
			if err != nil {
				t.Error(err)
				return
			}
			err = json.NewDecoder(resp.Body).Decode(new([]api.ServiceEntry))
			resp.Body.Close()
			if err != nil {
				t.Error(err)
				return
			}
			most = max(most, time.Since(begun))
			select {
			case <-stop:
				return
			case <-again.C:
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-slowest
	}
}
