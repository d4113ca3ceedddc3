package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// named runs a backend for each name, which answers with its name, and returns the clusters of a document.
func named(t *testing.T, names ...string) string {
	t.Helper()
	doc := "clusters:\n"
	for _, name := range names {
		app := backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
		doc += "- {name: " + name + ", endpoints: [\"" + app + "\"]}\n"
	}
	return doc
}

func TestRouting(t *testing.T) {
	g := start(t, named(t, "a", "b", "c", "d", "e", "f", "g", "h")+`
routes:
- {name: exact, match: {host: app.example.com, path_prefix: /api}, cluster: a}
- {name: exact-post, match: {host: app.example.com, path_prefix: /only, methods: [POST]}, cluster: b}
- {name: wild-long, match: {host: "*.eu.example.com", path_prefix: /}, cluster: c}
- {name: wild, match: {host: "*.example.com", path_prefix: /only}, cluster: d}
- {name: any-deep, match: {path_prefix: /api/v1}, cluster: e}
- {name: any-canary, match: {path_prefix: /api/v1, headers: {X-Canary: "1"}}, cluster: f}
- {name: any-canary-get, match: {path_prefix: /api/v1, methods: [GET], headers: {X-Canary: "1"}}, cluster: g}
- {name: any-first, match: {path_prefix: /tie, methods: [GET]}, cluster: a}
- {name: any-second, match: {path_prefix: /tie, methods: [GET, POST]}, cluster: b}
- {name: any-dots, match: {path_prefix: /dots/.hidden}, cluster: h}
`)
	for _, tt := range []struct {
		name, method, host, path, fields, want string // want "" is 404
	}{
		{"exact host", "GET", "app.example.com", "/api/x", "", "a"},
		{"exact host in capitals and with a port", "GET", "APP.Example.COM:8080", "/api", "", "a"},
		{"exact host as a full name", "GET", "app.example.com.", "/api", "", "a"},
		{"prefix with a slash behind it", "GET", "app.example.com", "/api/", "", "a"},
		{"prefix of whole segments only", "GET", "app.example.com", "/apiary", "", ""},
		{"prefix is case-sensitive", "GET", "app.example.com", "/API", "", ""},
		{"condition holds", "POST", "app.example.com", "/only", "", "b"},
		{"condition fails: on to the next bucket", "GET", "app.example.com", "/only", "", "d"},
		{"wildcard", "GET", "x.example.com", "/only/x", "", "d"},
		{"wildcard at any depth", "GET", "x.y.z.example.com", "/only", "", "d"},
		{"wildcard does not match the bare name", "GET", "example.com", "/only", "", ""},
		{"wildcard does not match half a label", "GET", "xexample.com", "/only", "", ""},
		{"longest wildcard first", "GET", "x.eu.example.com", "/only", "", "c"},
		{"shorter wildcard for the bare name of the longer", "GET", "eu.example.com", "/only", "", "d"},
		{"exact host's bucket has nothing: any host", "GET", "app.example.com", "/tie", "", "a"},
		{"in the host's bucket a shorter prefix wins over a longer one elsewhere", "GET", "app.example.com", "/api/v1",
			"", "a"},
		{"longest prefix", "GET", "other", "/api/v1/x", "", "e"},
		{"more conditions", "POST", "other", "/api/v1/x", "X-Canary: 1\r\n", "f"},
		{"most conditions", "GET", "other", "/api/v1/x", "x-canary:   1 \r\n", "g"},
		{"another value", "GET", "other", "/api/v1/x", "x-canary: 2\r\n", "e"},
		{"document order", "GET", "other", "/tie", "", "a"},
		{"later one where the first does not accept", "POST", "other", "/tie", "", "b"},
		{"never 405", "PUT", "other", "/tie", "", ""},
		{"no route", "GET", "other", "/", "", ""},
		{"encoded letters are letters", "GET", "other", "/%74i%65", "", "a"},
		{"dots are resolved", "GET", "other", "/x/../tie/.", "", "a"},
		{"dots at the end lead up", "GET", "other", "/tie/..", "", ""},
		{"an encoded slash is no slash", "GET", "other", "/api%2Fv1", "", ""},
		{"two slashes are not one", "GET", "other", "//tie", "", ""},
		{"segments may begin with a dot", "GET", "other", "/dots/.hidden/x", "", "h"},
		{"an IPv6 address", "GET", "[::1]:80", "/tie", "", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := g.ask(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: " + tt.host + "\r\n" + tt.fields +
				"\r\n")
			switch {
			case tt.want == "" && res.StatusCode != 404:
				t.Errorf("got %d %q, want 404", res.StatusCode, body)
			case tt.want != "" && body != tt.want:
				t.Errorf("got %d %q, want %q", res.StatusCode, body, tt.want)
			}
		})
	}
}

func TestPathThatClimbsIsRefused(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	paths := []string{"/..", "/../", "/a/../../b", "/%2e%2e/a", "/.%2E", "/a/%2e/%2e%2e/..", "/a%", "/a%2", "/a%zz"}
	for _, path := range paths {
		if res, _ := g.ask(get(path)); res.StatusCode != 400 {
			t.Errorf("%s: status = %d, want 400", path, res.StatusCode)
		}
	}
	if n := g.faults(telemetry.DPE); n != int64(len(paths)) {
		t.Errorf("faults DPE = %d, want %d", n, len(paths))
	}
	e.unused()
}

func TestRoutesOfOneListener(t *testing.T) {
	one, two := testserver.Addr(t), testserver.Addr(t)
	g := start(t, named(t, "a", "b", "c")+`
listeners:
- {name: web, address: "`+one+`", protocol: http}
- {name: inner, address: "`+two+`", protocol: http}
routes:
- {name: web, match: {path_prefix: /}, listeners: [web], cluster: a}
- {name: inner, match: {path_prefix: /}, listeners: [inner], cluster: b}
- {name: both, match: {path_prefix: /both}, cluster: c}
`)
	for _, tt := range []struct{ addr, path, want string }{
		{one, "/", "a"}, {two, "/", "b"}, {one, "/both", "c"}, {two, "/both", "c"},
	} {
		g.addr = tt.addr
		if _, body := g.ask(get(tt.path)); body != tt.want {
			t.Errorf("%s at %s went to %q, want %q", tt.path, tt.addr, body, tt.want)
		}
	}
}

func TestClustersShareARouteByWeight(t *testing.T) {
	g := start(t, named(t, "a", "b", "c")+`
routes:
- {name: split, match: {path_prefix: /}, clusters: [{name: a, weight: 90}, {name: b, weight: 10}, {name: c, weight: 0}]}
`)
	seen := map[string]int{}
	c := g.dial()
	for range 1000 {
		c.send(get("/"))
		_, body := c.response("GET")
		seen[body]++
	}
	// Six standard deviations on either side.
	if seen["a"] < 843 || seen["a"] > 957 || seen["a"]+seen["b"] != 1000 {
		t.Errorf("split = %v, want about 900 to 100", seen)
	}
}

func TestWeightedEndpointsTakeTurnsSmoothly(t *testing.T) {
	var addrs []string
	for _, name := range []string{"a", "b", "c"} {
		addrs = append(addrs, backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }))
	}
	g := start(t, `
routes:
- {name: all, match: {path_prefix: /}, cluster: app}
clusters:
- {name: app, endpoints: [{address: "`+addrs[0]+`", weight: 5}, {address: "`+addrs[1]+`"}, {address: "`+addrs[2]+`"}]}
`)
	c := g.dial()
	var seen []string
	for range 14 {
		c.send(get("/"))
		_, body := c.response("GET")
		seen = append(seen, body)
	}
	if want := strings.Split("aabacaaaabacaa", ""); !slices.Equal(seen, want) {
		t.Errorf("turns = %v, want %v", seen, want)
	}
}

func TestTenThousandRoutes(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(named(t, "a", "b") + "routes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&doc, "- {name: r%d, match: {host: \"h%d.example.com\", path_prefix: /p%d}, cluster: a}\n", i,
			i%1000, i)
	}
	doc.WriteString("- {name: last, match: {path_prefix: /}, cluster: b}\n")
	g := start(t, doc.String())
	for _, tt := range []struct{ host, path, want string }{
		{"h0.example.com", "/p0", "a"}, {"h999.example.com", "/p9999/x", "a"}, {"h1.example.com", "/p9999", "b"},
		{"x", "/", "b"},
	} {
		if _, body := g.ask("GET " + tt.path + " HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n"); body != tt.want {
			t.Errorf("%s%s went to %q, want %q", tt.host, tt.path, body, tt.want)
		}
	}
}
