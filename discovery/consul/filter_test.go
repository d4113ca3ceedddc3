package consul

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// Consul evaluates a filter, so each has a watch of its own. What it leaves out is lost like any other instance: its
// loss is confirmed by the same query.
func catalogFilters(t *testing.T, consul *testserver.ConsulServer) {
	register := func(id string, port int, version string) {
		consul.Register(testserver.Service{ID: id, Name: "filtered", Port: port, Tags: []string{"v1", "EU"},
			Meta: map[string]string{"version": version}})
	}
	t.Cleanup(func() { consul.Deregister("f1"); consul.Deregister("f2") })
	register("f1", 9001, "1")
	register("f2", 9002, "2")
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	all := Query{Service: "filtered"}
	second := Query{Service: "filtered", Filter: `Service.Meta.version == "2"`}
	tagged := second
	tagged.Tags = config.TagsOf("eu", "v1")
	catalog.Watch([]Query{all, second, tagged})
	waitAnswers(t, catalog)
	known(t, catalog, all, "127.0.0.1:9001*1/passing 127.0.0.1:9002*1/passing")
	known(t, catalog, second, "127.0.0.1:9002*1/passing")
	known(t, catalog, tagged, "127.0.0.1:9002*1/passing")
	if n := len(catalog.Status()); n != 2 {
		t.Errorf("%d watches, want one for each filter: %+v", n, catalog.Status())
	}
	register("f1", 9001, "2")
	known(t, catalog, second, "127.0.0.1:9001*1/passing 127.0.0.1:9002*1/passing")
	register("f2", 9002, "3")
	known(t, catalog, second, "127.0.0.1:9001*1/passing")
	register("f1", 9001, "3")
	known(t, catalog, second, "negative")
	st := catalog.Status()[1]
	if want := `health "filtered" filter "Service.Meta.version == \"2\""`; st.Name != want || st.Confirmations < 2 {
		t.Errorf("status %+v, want it of %s with two losses confirmed", st, want)
	}
}

// A filter that Consul does not understand is said in its own words, and is no reason to think that Consul is away.
func catalogRefusesFilters(t *testing.T, consul *testserver.ConsulServer) {
	c := newConsul(t, consul.Addr())
	catalog := runCatalog(t, c)
	q := Query{Service: "filtered", Filter: "Service.Nix == 1"}
	catalog.Watch([]Query{q})
	class, text := "", ""
	testserver.WaitFor(t, patience, "the refusal", func() bool {
		class, text = catalog.Failure(q)
		return text != ""
	})
	if class != "query" || !strings.HasSuffix(text, `Selector "Service.Nix" is not valid`) {
		t.Errorf("class %q: %s", class, text)
	}
	if c.monitor.failing() {
		t.Error("Consul is probed because of a filter that it refuses")
	}
	if _, known := catalog.Endpoints(q); known {
		t.Error("a query that was refused has a response")
	}
}

// known waits for what is known for a query to become what a test wants.
func known(t *testing.T, c *Catalog, q Query, want string) {
	t.Helper()
	testserver.WaitFor(t, patience, q.String()+" to be "+want, func() bool {
		e, ok := c.Endpoints(q)
		return ok && show(e) == want
	})
}

// A query may name a port. Instances without one of that name are left out, and named in log and status, once.
func catalogFollowsPorts(t *testing.T, consul *testserver.ConsulServer) {
	register := func(id string, ports ...testserver.ServicePort) {
		s := testserver.Service{ID: id, Name: "ported", Ports: ports}
		if len(ports) == 0 {
			s.Port = 9003
		}
		consul.Register(s)
	}
	t.Cleanup(func() { consul.Deregister("p1"); consul.Deregister("p2") })
	register("p1", testserver.ServicePort{Name: "http", Port: 9001, Default: true},
		testserver.ServicePort{Name: "admin", Port: 9002})
	register("p2")
	var log testserver.Log
	catalog := runCatalog(t, newConsul(t, consul.Addr(), func(o *Options) {
		o.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
	}))
	standard, admin := Query{Service: "ported"}, Query{Service: "ported", Port: "admin"}
	v1 := Query{Service: "ported", Port: "admin", Tags: "v1"}
	catalog.Watch([]Query{standard})
	known(t, catalog, standard, "127.0.0.1:9001*1/passing 127.0.0.1:9003*1/passing")
	if left := catalog.Status()[0].LeftOut; len(left) > 0 {
		t.Errorf("left out though no query names a port: %q", left)
	}
	catalog.Watch([]Query{standard, admin, v1})
	known(t, catalog, admin, "127.0.0.1:9002*1/passing")
	known(t, catalog, v1, "negative")
	all := catalog.Status()
	if want := []string{"test/p2: no port admin: none of its ports has a name"}; len(all) != 1 ||
		!slices.Equal(all[0].LeftOut, want) {
		t.Errorf("status %+v, want one watch that leaves out %q", all, want)
	}
	register("p1", testserver.ServicePort{Name: "http", Port: 9001, Default: true},
		testserver.ServicePort{Name: "admin", Port: 9004})
	known(t, catalog, admin, "127.0.0.1:9004*1/passing")
	known(t, catalog, standard, "127.0.0.1:9001*1/passing 127.0.0.1:9003*1/passing")
	if n := strings.Count(log.String(), "instances left out"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	register("p2", testserver.ServicePort{Name: "admin", Port: 9005, Default: true})
	known(t, catalog, admin, "127.0.0.1:9004*1/passing 127.0.0.1:9005*1/passing")
	testserver.WaitFor(t, patience, "nothing to be left out", func() bool {
		return len(catalog.Status()[0].LeftOut) == 0
	})
}
