package consul

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// runCatalog runs a catalog for the length of a test.
func runCatalog(t *testing.T, c *Client) *Catalog {
	t.Helper()
	catalog := c.Catalog()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { catalog.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return catalog
}

func runConsul(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// waitAnswers waits until each query has an answer.
func waitAnswers(t *testing.T, c *Catalog) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if missing := c.Wait(ctx); missing != nil {
		t.Fatalf("no answer for %v; %+v", missing, c.Status())
	}
}

// taken waits for the answer of a query to become what a test wants, and checks
// that Take brings it.
func taken(t *testing.T, c *Catalog, q Query, want string) {
	t.Helper()
	deadline := time.After(patience)
	seen := ""
	for {
		for _, e := range c.Take() {
			if e.Query != q {
				continue
			}
			if seen = show(e); seen == want {
				return
			}
		}
		select {
		case <-c.Changed():
		case <-deadline:
			t.Fatalf("%v: %s, want %s; %+v", q, seen, want, c.Status())
		}
	}
}

func catalogFollowsAService(t *testing.T, consul *testserver.ConsulServer) {
	api := Query{Service: "api"}
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	catalog.Watch([]Query{api})
	waitAnswers(t, catalog)
	taken(t, catalog, api, "negative")
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001, Weight: 5, Warning: 2})
	taken(t, catalog, api, "127.0.0.1:9001*5/passing")
	consul.Register(testserver.Service{ID: "b", Name: "api", Port: 9002})
	taken(t, catalog, api, "127.0.0.1:9001*5/passing 127.0.0.1:9002*1/passing")
	consul.Warn("a")
	taken(t, catalog, api, "127.0.0.1:9001*2/warning 127.0.0.1:9002*1/passing")
	consul.Critical("a")
	taken(t, catalog, api, "127.0.0.1:9001*5/critical 127.0.0.1:9002*1/passing")
	consul.Maintenance("b", true)
	taken(t, catalog, api, "127.0.0.1:9001*5/critical 127.0.0.1:9002*1/maintenance")
	consul.Maintenance("b", false)
	consul.Deregister("a")
	taken(t, catalog, api, "127.0.0.1:9002*1/passing")
	consul.Deregister("b")
	taken(t, catalog, api, "negative")
}

func catalogSharesOneWatch(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001, Tags: []string{"v1"}})
	consul.Register(testserver.Service{ID: "b", Name: "api", Port: 9002, Tags: []string{"v2"}})
	consul.Warn("b")
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	all, v1, v2 := Query{Service: "api"}, Query{Service: "api", Tags: "v1"}, Query{Service: "api", Tags: "v2"}
	catalog.Watch([]Query{all, v1, all})
	waitAnswers(t, catalog)
	for q, want := range map[Query]string{all: "127.0.0.1:9001*1/passing 127.0.0.1:9002*1/warning",
		v1: "127.0.0.1:9001*1/passing"} {
		if e, ok := catalog.Endpoints(q); !ok || show(e) != want || e.Query != q {
			t.Errorf("%v: %s (%v), want %s", q, show(e), ok, want)
		}
	}
	if n := len(catalog.Status()); n != 1 {
		t.Errorf("%d watches, want 1", n)
	}
	if n := len(catalog.Take()); n != 2 {
		t.Errorf("took %d answers, want 2", n)
	}
	if n := len(catalog.Take()); n != 0 {
		t.Errorf("took %d answers, want none", n)
	}
	catalog.Watch([]Query{all, v2})
	if e, ok := catalog.Endpoints(v2); !ok || show(e) != "127.0.0.1:9002*1/warning" {
		t.Errorf("what is known does not answer a new query: %s (%v)", show(e), ok)
	}
	if _, ok := catalog.Endpoints(v1); ok {
		t.Error("a query that is no longer named is still answered")
	}
	consul.Critical("b")
	taken(t, catalog, v2, "127.0.0.1:9002*1/critical")
}

// A service may be called as Consul allows, and is found.
func catalogTakesOddNames(t *testing.T, consul *testserver.ConsulServer) {
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	names := []string{"with space", "a/b", "per%20cent", "what?x=1", "part#two", "ümlaut", "Upper_Case.v1"}
	var queries []Query
	for i, name := range names {
		consul.Register(testserver.Service{ID: fmt.Sprint("odd-", i), Name: name, Port: 9001 + i})
		queries = append(queries, Query{Service: name})
		t.Cleanup(func() { consul.Deregister(fmt.Sprint("odd-", i)) })
	}
	catalog.Watch(queries)
	for i, q := range queries {
		want := fmt.Sprintf("127.0.0.1:%d*1/passing", 9001+i)
		testserver.WaitFor(t, patience, "the instance of "+q.Service, func() bool {
			e, ok := catalog.Endpoints(q)
			return ok && show(e) == want
		})
	}
}

// Of one address that is written in two ways there is one endpoint; what is no
// address is left out, and named.
func catalogChecksAddresses(t *testing.T, consul *testserver.ConsulServer) {
	for i, address := range []string{"::1", "0:0:0:0:0:0:0:1", "[::1]", "http://127.0.0.1", "a b"} {
		id := fmt.Sprint("form-", i)
		consul.Register(testserver.Service{ID: id, Name: "api", Address: address, Port: 9001})
		t.Cleanup(func() { consul.Deregister(id) })
	}
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	api := Query{Service: "api"}
	catalog.Watch([]Query{api})
	taken(t, catalog, api, "[::1]:9001*1/passing")
	left := strings.Join(catalog.Status()[0].LeftOut, "\n")
	for _, part := range []string{"form-3", "http://127.0.0.1", "form-4", "a b"} {
		if !strings.Contains(left, part) {
			t.Errorf("left out: %q, want that it names %s", left, part)
		}
	}
}

func catalogReconciles(t *testing.T, consul *testserver.ConsulServer) {
	catalog := runCatalog(t, newConsul(t, consul.Addr()))
	names := func() string {
		var all []string
		for _, s := range catalog.Status() {
			all = append(all, s.Name)
		}
		return strings.Join(all, " ")
	}
	for _, row := range []struct{ services, want string }{
		{"a b", `health "a" health "b"`}, {"b c", `health "b" health "c"`}, {"", ""}, {"a", `health "a"`},
	} {
		var queries []Query
		for s := range strings.FieldsSeq(row.services) {
			queries = append(queries, Query{Service: s})
		}
		catalog.Watch(queries)
		waitAnswers(t, catalog)
		testserver.WaitFor(t, patience, "the watches of "+row.want, func() bool { return names() == row.want })
	}
}

func catalogOutlivesConsul(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001})
	wire := newProxy(t, consul.Addr())
	var errors atomic.Int32
	c := newConsul(t, wire.addr(), func(o *Options) {
		o.CountError = func(telemetry.DiscoveryClass) { errors.Add(1) }
	})
	api := Query{Service: "api"}
	catalog := runCatalog(t, c)
	catalog.Watch([]Query{api})
	taken(t, catalog, api, "127.0.0.1:9001*1/passing")
	wire.cut()
	testserver.WaitFor(t, patience, "trouble", func() bool { return catalog.Status()[0].Class == "transport" })
	if errors.Load() == 0 {
		t.Error("errors are not counted")
	}
	wire.mend()
	testserver.WaitFor(t, patience, "recovery", func() bool { return catalog.Status()[0].Failing == 0 })
	consul.Register(testserver.Service{ID: "b", Name: "api", Port: 9002})
	taken(t, catalog, api, "127.0.0.1:9001*1/passing 127.0.0.1:9002*1/passing")
	if changed := catalog.Take(); changed != nil {
		t.Errorf("took %v, want nothing", changed)
	}
}

func catalogWithoutRights(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{ID: "a", Name: "api", Port: 9001})
	serviceOnly := consul.NewToken(`service "api" { policy = "read" }`) // and no node:read
	full := consul.NewToken(`service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, full.Secret)
	c := newConsul(t, consul.Addr(), func(o *Options) { o.TokenFile = path })
	runConsul(t, c)
	api := Query{Service: "api"}
	catalog := runCatalog(t, c)
	catalog.Watch([]Query{api})
	taken(t, catalog, api, "127.0.0.1:9001*1/passing")
	class := func(want string) {
		t.Helper()
		testserver.WaitFor(t, patience, "class "+want, func() bool { return catalog.Status()[0].Class == want })
	}
	write(t, path, serviceOnly.Secret)
	class("acl")
	write(t, path, full.Secret)
	class("")
	consul.DeleteToken(full)
	catalog.Reload()
	class("acl")
	write(t, path, consul.Token())
	class("")
	if e, ok := catalog.Endpoints(api); !ok || show(e) != "127.0.0.1:9001*1/passing" {
		t.Errorf("endpoints %s (%v), want them untouched by all of it", show(e), ok)
	}
}

func TestCatalogWithoutAnAnswer(t *testing.T) {
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	})
	catalog := runCatalog(t, c)
	b, a := Query{Service: "b"}, Query{Service: "a", Tags: "x"}
	catalog.Watch([]Query{b, a})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := fmt.Sprint(catalog.Wait(ctx)); got != "[a tag x b]" {
		t.Errorf("missing %s, want both", got)
	}
	if _, ok := catalog.Endpoints(a); ok || catalog.Take() != nil {
		t.Error("there are endpoints without an answer")
	}
}

// A drop by more than half, or to nothing for one of the queries, is believed
// only when the leader says so too.
func TestCatalogConfirmsLosses(t *testing.T) {
	instance := func(n int, tag string) string {
		return fmt.Sprintf(`{"Node":{"Node":"n","Address":"10.0.0.%d"},"Service":{"ID":"%d","Port":80,"Tags":["%s"]}}`,
			n, n, tag)
	}
	all := "[" + strings.Join([]string{instance(1, "x"), instance(2, "y"), instance(3, "y"), instance(4, "y"),
		instance(5, "y")}, ",") + "]"
	for _, row := range []struct{ name, blank string }{
		{"more than half", "[" + instance(1, "x") + "," + instance(2, "y") + "]"},
		{"all of a tag", "[" + strings.Join([]string{instance(2, "y"), instance(3, "y"), instance(4, "y"),
			instance(5, "y")}, ",") + "]"},
		{"all", "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var parked atomic.Int32
			c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !r.URL.Query().Has("index"):
					say(w, "8", all)
				case parked.Add(1) == 1:
					say(w, "9", row.blank)
				default:
					<-r.Context().Done()
				}
			})
			catalog := runCatalog(t, c)
			x, y := Query{Service: "api", Tags: "x"}, Query{Service: "api"}
			catalog.Watch([]Query{x, y})
			waitAnswers(t, catalog)
			testserver.WaitFor(t, patience, "a confirmation",
				func() bool { return catalog.Status()[0].Confirmations == 1 })
			for q, n := range map[Query]int{x: 1, y: 5} {
				if e, _ := catalog.Endpoints(q); len(e.Instances) != n {
					t.Errorf("%v: %s, want %d instances", q, show(e), n)
				}
			}
		})
	}
}

func TestCatalogPollsBeyondItsWatches(t *testing.T) {
	var parked atomic.Int32
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("index") {
			say(w, "8", oneInstance)
			return
		}
		parked.Add(1)
		<-r.Context().Done()
		parked.Add(-1)
	})
	catalog := runCatalog(t, c)
	var queries []Query
	for i := range watchesHTTP1 + 10 {
		queries = append(queries, Query{Service: fmt.Sprint("s", i)})
	}
	catalog.Watch(queries)
	waitAnswers(t, catalog)
	polling := 0
	for _, s := range catalog.Status() {
		if s.Polling {
			polling++
		}
	}
	if polling != 10 {
		t.Errorf("%d watches poll, want 10", polling)
	}
	testserver.WaitFor(t, patience, "all parked", func() bool { return parked.Load() == watchesHTTP1 })
	catalog.Watch(queries[10:]) // leaves a place for each
	testserver.WaitFor(t, patience, "no watch that polls", func() bool {
		return !slices.ContainsFunc(catalog.Status(), func(s discovery.Status) bool { return s.Polling })
	})
	waitAnswers(t, catalog)
}

// While Run is stopped the answer of a query stays what it was, and a request
// that is parked does not keep Run from returning.
func TestCatalogEndsAtOnce(t *testing.T) {
	testserver.Goroutines(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("index") {
			<-r.Context().Done()
		}
		say(w, "8", oneInstance)
	}))
	defer server.Close()
	catalog := newConsul(t, server.Listener.Addr().String(), func(o *Options) { o.Wait = time.Hour }).Catalog()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		catalog.Run(ctx)
		close(ended)
	}()
	catalog.Watch([]Query{{Service: "api"}})
	waitAnswers(t, catalog)
	cancel()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("Run did not return")
	}
	if _, ok := catalog.Endpoints(Query{Service: "api"}); !ok {
		t.Error("the last answer is gone")
	}
}
