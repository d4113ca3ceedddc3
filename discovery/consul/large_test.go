package consul

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A service has 2,000 instances of which ten change each second: every change is known within two seconds.
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
	begun := time.Now()
	catalog.Watch([]Query{large})
	waitAnswers(t, catalog)
	limit := 2*time.Second + time.Since(begun) // as long as one response takes here
	changed := map[string]time.Time{}          // by port
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
	t.Logf("the slowest change was known after %v", slowest)
	if slowest > limit {
		t.Errorf("the slowest change was known after %v, want within %v", slowest, limit)
	}
	for i := range 2000 {
		consul.DeregisterNode(fmt.Sprint("large-", i))
	}
}
