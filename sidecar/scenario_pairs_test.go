package sidecar_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// polyglot is a backend that answers with its name, over HTTP/1.1 and, by prior knowledge, HTTP/2.
func polyglot(t testing.TB, name string) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, fmt.Sprint(name, " by ", r.ProtoMajor))
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// clientOf is a client that speaks HTTP/1.1 or, by prior knowledge, HTTP/2.
func clientOf(t testing.TB, major int) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(major == 1)
	tr.Protocols.SetUnencryptedHTTP2(major == 2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: longestWait}
}

// Which instances of a service a cluster follows, and which of them come first, is the same for each pair of versions.
// They are chosen by tags, by a filter, by the name of a port, by zone and by node.
func TestFollowedInstancesInEachVersion(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	port := func(name string) int { return port(t, polyglot(t, name)) }
	consul.Register(testserver.Service{ID: "a", Name: "shop", Zone: "eu-1a", Tags: []string{"v1", "eu"},
		Meta: map[string]string{"ring": "1"}, Ports: []testserver.ServicePort{
			{Name: "http", Port: port("a"), Default: true}, {Name: "admin", Port: port("admin of a")}}})
	consul.Register(testserver.Service{ID: "b", Name: "shop", Zone: "eu-1b", Tags: []string{"v2"},
		Meta: map[string]string{"ring": "2"}, Port: port("b")})
	g, key := follower(t, consul, env{"GATEWAY_ZONE": "eu-1b"})
	kinds := []struct{ name, how, want string }{
		{"tags", "tags: [v1, eu]", "a"},
		{"filter", `filter: 'Service.Meta.ring == "2"'`, "b"},
		{"port", "port: admin", "admin of a"},
		{"zone", "prefer: zone", "b"},
		{"node", "prefer: node, tag: v2", "b"},
	}
	var routes, clusters strings.Builder
	for _, k := range kinds {
		for major := 1; major <= 2; major++ {
			fmt.Fprintf(&routes, "  - {name: %s-%d, match: {path: /%[1]s/%[2]d}, cluster: %[1]s-%[2]d}\n", k.name,
				major)
			fmt.Fprintf(&clusters, "  - {name: %s-%d, protocol: http%[2]d, consul: {service: shop, %s}}\n", k.name,
				major,
				k.how)
		}
	}
	consul.KVPut(key, "routes:\n"+routes.String()+"clusters:\n"+clusters.String())
	g.wait("the preferences", func(s status) bool {
		known := 0
		for i := range s.Clusters {
			if p := s.Clusters[i].Prefer; p != nil && p.Here != "" && p.Share == 1 {
				known++
			}
		}
		return known == 4
	})
	for _, k := range kinds {
		for down := 1; down <= 2; down++ {
			for up := 1; up <= 2; up++ {
				for range 4 { // one of each instance, if both were used
					code, body, err := fetchBy(clientOf(t, down), fmt.Sprintf("%s/%s/%d", g.url, k.name, up))
					if want := fmt.Sprint(k.want, " by ", up); err != nil || code != http.StatusOK || body != want {
						t.Fatalf("%s, http%d to http%d: %d %q, %v, want %q", k.name, down, up, code, body, err, want)
					}
				}
			}
		}
	}
}
