package consul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A service has 2,000 instances of which ten change each second: every change is known within the pause between two
// questions and two responses, one that had begun before it and the next. On a quiet machine that is 1.7 seconds.
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
	changed := map[string]time.Time{} // by port
	var slowest time.Duration
	known := func() {
		e, _ := catalog.Endpoints(large)
		for _, i := range e.Instances {
			port := i.Address[strings.LastIndexByte(i.Address, ':')+1:]
			if at, ok := changed[port]; ok {
				slowest = max(slowest, time.Since(at))
				delete(changed, port)
			}
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 60 {
		<-tick.C
		changed[fmt.Sprint(1000+i)] = time.Now()
		register(i*30, 1000+i)
		known()
	}
	testserver.WaitFor(t, patience, "the last changes", func() bool { known(); return len(changed) == 0 })
	r := response()
	limit := 1500*time.Millisecond + 2*r
	t.Logf("the slowest change was known after %v, the slowest response took %v", slowest, r)
	if slowest > limit && !testserver.Race {
		t.Errorf("the slowest change was known after %v, want within %v", slowest, limit)
	}
	for i := range 2000 {
		consul.DeregisterNode(fmt.Sprint("large-", i))
	}
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
