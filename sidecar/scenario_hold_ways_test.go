package sidecar_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A document takes the endpoints from a part of the requests, or leaves critical ones only. Or it sends what another
// route or listener took to a service without an instance. Each is held, and comes into service when the service can
// be used.
func testHeldInOtherWays(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{Name: "used", Port: port(t, app(t, "used"))})
	nobody := addressPort(testserver.Addr(t)) // the instance is down
	toUsed := `{name: all, cluster: "consul:used"}`
	for _, row := range []struct {
		name          string
		before, after string // of routes; SERVICE is replaced
		listener      [2]string
		critical      bool // the service has an instance, which is
		want          string
	}{
		{
			name: "a part", before: toUsed,
			after: `{name: all, clusters: [{name: "consul:used", weight: 90}, {name: "consul:SERVICE", weight: 10}]}`,
			want: "route all: no endpoint in consul:SERVICE (consul service SERVICE: not in the catalog), " +
				"for 10 % of it",
		},
		{
			name: "critical", before: toUsed, after: `{name: all, cluster: "consul:SERVICE"}`, critical: true,
			want: "route all: only endpoints that Consul calls critical in consul:SERVICE " +
				"(consul service SERVICE: critical)",
		},
		{
			name: "critical and asked", before: toUsed, critical: true,
			after: `{name: all, cluster: "consul:used", external_auth: {cluster: "consul:SERVICE"}}`,
			want: "route all: only endpoints that Consul calls critical in consul:SERVICE " +
				"(consul service SERVICE: critical)",
		},
		{
			name: "another route in place of one", before: toUsed,
			after: `{name: renamed, match: {path_prefix: /, methods: [GET]}, cluster: "consul:SERVICE"}`,
			want:  "route renamed: no endpoint in consul:SERVICE (consul service SERVICE: not in the catalog)",
		},
		{
			name: "TCP in place of HTTP", before: toUsed, after: toUsed,
			listener: [2]string{"", `, protocol: tcp, cluster: "consul:SERVICE"`},
			want:     "listener more: no endpoint in consul:SERVICE (consul service SERVICE: not in the catalog)",
		},
		{
			name: "critical over TCP", before: toUsed, after: toUsed, critical: true,
			listener: [2]string{
				`, protocol: tcp, cluster: "consul:used"`, `, protocol: tcp, cluster: "consul:SERVICE"`,
			},
			want: "listener more: only endpoints that Consul calls critical in consul:SERVICE " +
				"(consul service SERVICE: critical)",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			service := strings.ReplaceAll(strings.ToLower("later "+row.name), " ", "-")
			more := testserver.Addr(t)
			document := func(routes, listener string) string {
				text := fmt.Sprintf("listeners: [{name: more, address: %q%s}]\nroutes: [%s]\n", more, listener, routes)
				return strings.ReplaceAll(text, "SERVICE", service)
			}
			g, key := follower(t, consul, nil)
			if row.critical {
				consul.Register(testserver.Service{Name: service, Port: nobody})
				consul.Critical(service)
			}
			consul.KVPut(key, document(row.before, row.listener[0]))
			g.answers("/", http.StatusOK, "used")
			requests := g.trickle("http://" + more + "/")
			consul.KVPut(key, document(row.after, row.listener[1]))
			if why, want := g.held("held"), strings.ReplaceAll(row.want, "SERVICE", service); why != want {
				t.Errorf("held for %q, want %q", why, want)
			}
			consul.Register(testserver.Service{Name: service, Port: port(t, app(t, "arrived"))})
			consul.Pass(service)
			g.wait("nothing to be held", func(s status) bool {
				return s.Revision.Held == nil && s.Revision.Applied > 1
			})
			requests.none(t)
		})
	}
}

// The log tells when a document that was held is taken back, and when one that was gone is there again.
func testHeldAndTakenBack(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "stays", Port: port(t, app(t, "stays"))})
	again := func(want int) {
		t.Helper()
		testserver.WaitFor(t, longestWait, "the log to tell it", func() bool {
			return len(g.logged("document is good again: it is the revision that serves")) == want
		})
	}
	consul.KVPut(key, to("c", "stays", ""))
	g.answers("/", http.StatusOK, "stays")
	for round := range 2 {
		consul.KVPut(key, to("c", "void", ""))
		g.held("held")
		consul.KVPut(key, to("c", "stays", ""))
		again(2*round + 1)
		consul.KVDelete(key)
		g.wait("the document to be gone", func(s status) bool { return s.Revision.Orphaned })
		consul.KVPut(key, to("c", "stays", ""))
		again(2*round + 2)
	}
}

// trickle begins to ask for an URL and the path / over new connections, some times a second. So it is no matter when
// another protocol begins on a listener.
func (g *gateway) trickle(url string) *load {
	l := &load{done: make(chan struct{})}
	for _, one := range []string{g.url + "/", url} {
		once := &http.Client{Timeout: longestWait, Transport: &http.Transport{DisableKeepAlives: true}}
		l.workers.Go(func() {
			l.pace(25*time.Millisecond, func() (int, string, error) { return fetchBy(once, one) })
		})
	}
	g.t.Cleanup(func() { l.stop() })
	return l
}
