package sidecar_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A document that would take the endpoints from a route that has some is held, whatever keeps them away. What served
// goes on without a failed request.
func TestHeldRevisions(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *testserver.ConsulServer)
	}{
		{"no instance", testHeldWithoutInstance},
		{"no response", testHeldWithoutResponse},
		{"renamed during a hold", testRenamedDuringHold},
		{"another cluster stands in", testNotHeldWithFailover},
		{"nobody to ask", testHeldWithNobodyToAsk},
		{"in place of a response", testHeldInPlaceOfAResponse},
		{"a filter that Consul refuses", testHeldForItsFilter},
		{"while the bootstrap serves", testHeldWhileTheBootstrapServes},
		{"a route names the service", testFollowedByName},
		{"other ways", testHeldInOtherWays},
		{"taken back", testHeldAndTakenBack},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, consul) })
	}
}

// to is a document of one route to one cluster of the catalog.
func to(cluster, service, more string) string {
	return fmt.Sprintf("routes: [{name: all, cluster: %s}]\nclusters: [{name: %s, consul: {service: %s}%s}]\n", cluster,
		cluster, service, more)
}

// held waits for a document to be held in a state, and returns the reasons.
func (g *gateway) held(state string) string {
	g.t.Helper()
	s := g.wait("a document that is "+state, func(s status) bool {
		return s.Revision.Held != nil &&
			s.Revision.Held.State == state
	})
	if !s.Ready {
		g.t.Errorf("not ready for %q while a document is held", s.Reasons)
	}
	return strings.Join(s.Revision.Held.Reasons, "\n")
}

// absent is the reason of a document in which a cluster follows a service that is not in the catalog.
func absent(what, cluster, service string) string {
	return fmt.Sprintf("%s: no endpoint in %s (consul service %s: not in the catalog)", what, cluster, service)
}

// A cluster that stands in keeps a route from being without endpoints, from the catalog's first word on.
func testNotHeldWithFailover(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "main", Port: port(t, app(t, "main"))})
	consul.Register(testserver.Service{Name: "spare", Port: port(t, app(t, "spare"))})
	consul.KVPut(key, to("c", "main", ""))
	g.answers("/", http.StatusOK, "main")
	consul.KVPut(key, to("c", "vain", ", failover: [d]}, {name: d, consul: {service: spare}"))
	g.answers("/", http.StatusOK, "spare")
	line := g.waitLogged("failover: the cluster has no usable endpoint, another one stands in")
	if line["failover"] != "d" {
		t.Errorf("logged %v", line)
	}
	consul.Register(testserver.Service{Name: "vain", Port: port(t, app(t, "back"))})
	g.answers("/", http.StatusOK, "back")
}

// A route may name a service instead of a cluster; status and log say what it follows.
func testFollowedByName(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.KVPut(key, `routes: [{name: all, cluster: "consul:named@v2"}]`)
	g.wait("a cluster that says what it follows", func(s status) bool {
		return len(s.Clusters) == 1 && s.Clusters[0].Name == "consul:named@v2" &&
			s.Clusters[0].Follows == "consul service named, tag v2: not in the catalog"
	})
	if line := g.waitLogged("the service is not in the catalog"); line["follows"] != "consul service named, tag v2" {
		t.Errorf("logged %v", line)
	}
	consul.Register(testserver.Service{ID: "n1", Name: "named", Tags: []string{"v1"}, Port: port(t, app(t, "one"))})
	g.wait("that the instance is not meant", func(s status) bool {
		const why = "consul service named, tag v2: its only instance does not have the tag v2"
		return s.Clusters[0].Follows == why && slices.Contains(s.Trouble,
			"cluster consul:named@v2: no endpoint can be used: "+why)
	})
	consul.Register(testserver.Service{ID: "n2", Name: "named", Tags: []string{"v2"}, Port: port(t, app(t, "two"))})
	g.answers("/", http.StatusOK, "two")
	g.wait("a cluster that follows", func(s status) bool {
		return s.Clusters[0].Follows == "consul service named, tag v2"
	})
}

func testHeldWithoutInstance(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "full", Port: port(t, app(t, "full"))})
	consul.KVPut(key, to("c", "full", ""))
	g.answers("/", http.StatusOK, "full")
	requests := g.load("/")
	consul.KVPut(key, to("c", "hollow", ""))
	if why := g.held("held"); why != absent("route all", "c", "hollow") {
		t.Errorf("held for %q", why)
	}
	if line := g.waitLogged("revision held, the one before goes on serving"); line["state"] != "held" {
		t.Errorf("logged %v", line)
	}
	g.now("/", http.StatusOK, "full")

	consul.KVPut(key, to("other", "hollow", "")) // another one, by another name
	g.wait("the other document to be held", func(s status) bool {
		return s.Revision.Held != nil && s.Revision.Held.Reasons[0] == absent("route all", "other", "hollow")
	})
	consul.Register(testserver.Service{Name: "hollow", Port: port(t, app(t, "arrived"))})
	g.answers("/", http.StatusOK, "arrived")
	g.wait("nothing to be held", func(s status) bool {
		return s.Revision.Held == nil &&
			s.Revision.LastRejected == nil
	})
	requests.none(t)

	consul.KVPut(key, to("c", "never", ", allow_empty: true"))
	g.answers("/", http.StatusServiceUnavailable, "no healthy upstream\n")
	consul.KVPut(key, to("c", "hollow", ""))
	g.answers("/", http.StatusOK, "arrived")
	consul.KVPut(key, to("c", "never", ""))
	g.held("held")
	consul.KVPut(key, to("c", "hollow", "")) // the author takes it back
	g.wait("the held document to be forgotten", func(s status) bool { return s.Revision.Held == nil })
	g.now("/", http.StatusOK, "arrived")

	// A route that responds itself needs no endpoint.
	consul.KVPut(key, "routes: [{name: all, match: {path_prefix: /}, respond: {status: 503, body: closed}}]\n")
	g.answers("/", http.StatusServiceUnavailable, "closed")
}

func testHeldWithoutResponse(t *testing.T, consul *testserver.ConsulServer) {
	var mute atomic.Bool
	relay := newRelay(t, consul.Addr(), func(request string) bool {
		return !mute.Load() || !strings.Contains(request, "/v1/health/service/slow")
	})
	g, key := follower(t, consul, env{"CONSUL_HTTP_ADDR": relay})
	consul.Register(testserver.Service{Name: "known", Port: port(t, app(t, "known"))})
	consul.Register(testserver.Service{Name: "slow", Port: port(t, app(t, "slow"))})
	consul.KVPut(key, to("c", "known", ""))
	g.answers("/", http.StatusOK, "known")
	requests := g.load("/")
	mute.Store(true)
	consul.KVPut(key, to("c", "slow", ""))
	if why := g.held("waiting"); !strings.Contains(why, "cluster c: waits for service slow") {
		t.Errorf("waits for %q", why)
	}
	if line := g.waitLogged("revision held, the one before goes on serving"); line["state"] != "waiting" {
		t.Errorf("logged %v", line)
	}
	g.now("/", http.StatusOK, "known")
	mute.Store(false)
	g.answers("/", http.StatusOK, "slow")
	requests.none(t)
}

// A filter that Consul refuses is said in Consul's own words, once, and what served goes on.
func testHeldForItsFilter(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	const document = `
routes: [{name: all, cluster: c}]
clusters: [{name: c, consul: {service: sieved, tags: [v2, eu], filter: '%s'}}]
`
	consul.Register(testserver.Service{ID: "s1", Name: "sieved", Tags: []string{"v2"}, Port: port(t, app(t, "not eu"))})
	consul.Register(testserver.Service{ID: "s2", Name: "sieved", Tags: []string{"EU", "v2"},
		Meta: map[string]string{"ring": "1"}, Port: port(t, app(t, "first"))})
	consul.Register(testserver.Service{ID: "s3", Name: "sieved", Tags: []string{"v2", "eu", "x"},
		Meta: map[string]string{"ring": "2"}, Port: port(t, app(t, "second"))})
	consul.KVPut(key, fmt.Sprintf(document, `Service.Meta.ring == "1"`))
	g.answers("/", http.StatusOK, "first")
	requests := g.load("/")
	consul.KVPut(key, fmt.Sprintf(document, `Service.Ring == "2"`))
	const words = `Failed to create boolean expression evaluator: Selector "Service.Ring" is not valid`
	const want = `cluster c: Consul refuses the filter Service.Ring == "2" ` +
		`(status 500: ` + words + `)`
	if why := g.held("held"); why != want {
		t.Errorf("held for %q, want %q", why, want)
	}
	g.waitLogged("revision held, the one before goes on serving")
	s := g.wait("the error of the query", func(s status) bool {
		for _, d := range s.Discovery {
			if d.Class == "query" {
				return true
			}
		}
		return false
	})
	if said := strings.Count(strings.Join(s.Trouble, "\n"), words); said != 1 {
		t.Errorf("said %d times: %q", said, s.Trouble)
	}
	consul.KVPut(key, fmt.Sprintf(document, `Service.Meta.ring == "2"`))
	g.answers("/", http.StatusOK, "second")
	s = g.wait("nothing to be held", func(s status) bool { return s.Revision.Held == nil })
	const follows = `consul service sieved, tags eu, v2, filter Service.Meta.ring == "2"`
	if s.Clusters[0].Follows != follows {
		t.Errorf("follows %q, want %q", s.Clusters[0].Follows, follows)
	}
	requests.none(t)
	if n := len(g.logged("discovery failed, the last result stays in use")); n != 1 {
		t.Errorf("the refusal was logged %d times", n)
	}
}

// A revision renames the cluster while its last instances are held.
func testRenamedDuringHold(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "moving", Port: port(t, app(t, "moving"))})
	consul.KVPut(key, to("before", "moving", ""))
	g.answers("/", http.StatusOK, "moving")
	requests := g.load("/")
	consul.Deregister("moving")
	g.wait("the endpoint to be held", func(s status) bool {
		return len(s.Clusters[0].Endpoints) == 1 && s.Clusters[0].Endpoints[0].Consul.State == "deregistered"
	})
	consul.KVPut(key, to("after", "moving", ""))
	g.wait("the new name", func(s status) bool { return s.Clusters[0].Name == "after" })
	g.now("/", http.StatusOK, "moving")
	requests.none(t)
}

// A route that has to ask a service without an instance would let nobody in.
func testHeldWithNobodyToAsk(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "asking", Port: port(t, app(t, "asking"))})
	const document = `
routes: [{name: all, cluster: "consul:asking", external_auth: {cluster: "consul:%s", on_error: %s}}]
`
	consul.KVPut(key, `routes: [{name: all, cluster: "consul:asking"}]`)
	g.answers("/", http.StatusOK, "asking")
	consul.KVPut(key, fmt.Sprintf(document, "unborn", "deny"))
	if why := g.held("held"); why != absent("route all", "consul:unborn", "unborn") {
		t.Errorf("held for %q", why)
	}
	g.now("/", http.StatusOK, "asking")
	consul.KVPut(key, fmt.Sprintf(document, "unborn", "allow"))
	g.wait("nothing to be held", func(s status) bool { return s.Revision.Held == nil })
	g.now("/", http.StatusOK, "asking")
	consul.Register(testserver.Service{Name: "unborn", Port: port(t, app(t, "yes"))})
	consul.KVPut(key, fmt.Sprintf(document, "unborn", "deny"))
	g.answers("/", http.StatusOK, "asking")
}

// A route that responds or redirects itself answers every request. A revision in which it goes to a cluster without an
// instance takes that away, so it is held as one that takes endpoints.
func testHeldInPlaceOfAResponse(t *testing.T, consul *testserver.ConsulServer) {
	for kind, tt := range map[string]struct {
		own    string
		status int
		body   string
	}{
		"respond":  {"respond: {status: 404, body: own}", http.StatusNotFound, "own"},
		"redirect": {"redirect: {path: /there, status: 302}", http.StatusFound, "redirected\n"},
	} {
		t.Run(kind, func(t *testing.T) {
			g, key := follower(t, consul, nil)
			document := func(route string) string { return "routes: [{name: all, " + route + "}]\n" }
			consul.KVPut(key, document(tt.own))
			g.answers("/", tt.status, tt.body)
			consul.KVPut(key, document(`cluster: "consul:later-`+kind+`"`))
			if why := g.held("held"); why != absent("route all", "consul:later-"+kind, "later-"+kind) {
				t.Errorf("held for %q", why)
			}
			g.now("/", tt.status, tt.body)
			// A route of another name that matches the same is the same route.
			consul.KVPut(key, `routes: [{name: renamed, cluster: "consul:later-`+kind+`"}]`)
			g.wait("the other document to be held", func(s status) bool {
				return s.Revision.Held != nil &&
					s.Revision.Held.Reasons[0] == absent("route renamed", "consul:later-"+kind, "later-"+kind)
			})
			g.now("/", tt.status, tt.body)
			consul.Register(testserver.Service{Name: "later-" + kind, Port: port(t, app(t, "arrived"))})
			g.answers("/", http.StatusOK, "arrived")
			g.wait("nothing to be held", func(s status) bool { return s.Revision.Held == nil })
			consul.KVPut(key, document(tt.own))
			g.answers("/", tt.status, tt.body)
			consul.KVPut(key, document("cluster: empty")+
				"clusters: [{name: empty, consul: {service: never}, allow_empty: true}]\n")
			g.answers("/", http.StatusServiceUnavailable, "no healthy upstream\n") // the author wants it
		})
	}
}

// The environment serves alone, and a document would take the endpoint from its route: it is held. One that takes
// nothing is not, though a service that it names has no instance.
func testHeldWhileTheBootstrapServes(t *testing.T, consul *testserver.ConsulServer) {
	var mute atomic.Bool
	relay := newRelay(t, consul.Addr(), func(request string) bool {
		return !mute.Load() || !strings.Contains(request, "/v1/health/service/")
	})
	g, key := follower(t, consul, env{"CONSUL_HTTP_ADDR": relay, "GATEWAY_APP": app(t, "bootstrap")})
	g.answers("/", http.StatusOK, "bootstrap")
	requests := g.load("/")
	consul.KVPut(key, to("c", "nothing", ""))
	if why := g.held("held"); why != absent("route all", "c", "nothing") {
		t.Errorf("held for %q", why)
	}
	mute.Store(true)
	consul.KVPut(key, to("c", "silent", ""))
	if why := g.held("waiting"); !strings.Contains(why, "cluster c: waits for service silent") {
		t.Errorf("waits for %q", why)
	}
	consul.KVPut(key, "routes: [{name: more, match: {path_prefix: /more}, cluster: c}]\n"+
		"clusters: [{name: c, consul: {service: silent}}]\n")
	g.answers("/more", http.StatusServiceUnavailable, "no healthy upstream\n")
	g.now("/", http.StatusOK, "bootstrap")
	requests.none(t)
}
