package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// naive is the contract's words on matching, word by word, with no thought of speed.
func naive(routes []*Route, host, path, method string, fields map[string]string) *Route {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	var best *Route
	for _, rt := range routes {
		m := rt.Config.Match
		if !naiveAccepts(m, host, path, method, fields) {
			continue
		}
		if best == nil || naiveRank(m, host).beats(naiveRank(best.Config.Match, host)) {
			best = rt
		}
	}
	return best
}

func naiveAccepts(m config.Match, host, path, method string, fields map[string]string) bool {
	if m.Host != "" && m.Host != host {
		suffix, wild := strings.CutPrefix(m.Host, "*")
		if !wild || !strings.HasSuffix(host, suffix) || len(host) == len(suffix) {
			return false
		}
	}
	prefix := strings.TrimSuffix(m.PathPrefix, "/")
	if path != prefix && !strings.HasPrefix(path, prefix+"/") && prefix != "" {
		return false
	}
	if len(m.Methods) > 0 && !contains(m.Methods, []byte(method)) {
		return false
	}
	for _, h := range m.Headers {
		if v, ok := fields[h.Name]; !ok || v != h.Value {
			return false
		}
	}
	return true
}

// rank compares from left to right.
type rank [4]int

func naiveRank(m config.Match, host string) rank {
	r := rank{0, len(m.Host), len(strings.TrimSuffix(m.PathPrefix, "/")), len(m.Headers) + min(1, len(m.Methods))}
	if m.Host == host && host != "" {
		r[0] = 1
	}
	return r
}

func (r rank) beats(other rank) bool {
	for i := range r {
		if r[i] != other[i] {
			return r[i] > other[i]
		}
	}
	return false // the earlier one stays
}

func routeFor(m config.Match) *Route {
	return &Route{Config: &config.Route{Match: m}, prefix: strings.TrimSuffix(m.PathPrefix, "/")}
}

// lookup matches as decide does. ok is false for a path that has no route because it is refused.
func lookup(r *router, host, path, method string, fields map[string]string) (rt *Route, normal string, ok bool) {
	h := headOf(host, method, fields)
	n, _, ok := config.NormalPath([]byte(path), nil)
	if !ok {
		return nil, "", false
	}
	var edges [maxSegments + 2]int
	return r.match(h, n, "web", &edges, make([]byte, 0, 256)), string(n), true
}

func headOf(host, method string, fields map[string]string) *message.Head {
	h := &message.Head{Method: []byte(method), Authority: []byte(host)}
	for name, value := range fields {
		h.Append([]byte(name), []byte(value))
	}
	return h
}

// oneOf draws from a few words, so that routes and requests meet.
func oneOf[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func somePath(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(5) {
		b.WriteString("/" + oneOf(rng, "a", "a", "b", "bb", "", "a%2F", ".a", "é"))
	}
	if b.Len() == 0 || rng.IntN(4) == 0 {
		b.WriteByte('/')
	}
	return b.String()
}

func someHost(rng *rand.Rand) string {
	return oneOf(rng, "", "a", "b.a", "c.b.a", "x.c.b.a", "ab.a", "[::1]", "1.2.3.4")
}

func someRoutes(rng *rand.Rand) (routes []*Route) {
	for range 1 + rng.IntN(30) {
		m := config.Match{Host: someHost(rng), PathPrefix: somePath(rng)}
		if m.PathPrefix = strings.TrimRight(m.PathPrefix, "/"); m.PathPrefix == "" {
			m.PathPrefix = "/"
		}
		if rng.IntN(3) == 0 {
			m.Host = oneOf(rng, "*.a", "*.b.a", "*.c.b.a")
		}
		if rng.IntN(3) == 0 {
			m.Methods = oneOf(rng, []string{"GET"}, []string{"GET", "POST"}, []string{"POST"})
		}
		if rng.IntN(3) == 0 {
			m.Headers = oneOf(rng, []config.HeaderMatch{{Name: "x", Value: "1"}},
				[]config.HeaderMatch{{Name: "x", Value: "1"}, {Name: "y", Value: "2"}})
		}
		routes = append(routes, routeFor(m))
	}
	return routes
}

func someRequest(rng *rand.Rand) (host, path, method string, fields map[string]string) {
	host = someHost(rng) + oneOf(rng, "", ":80", ".", ".:80")
	if rng.IntN(3) == 0 {
		host = strings.ToUpper(host)
	}
	fields = oneOf(rng, nil, map[string]string{"x": "1"}, map[string]string{"x": "1", "y": "2"},
		map[string]string{"y": "2", "x": "2"})
	return host, somePath(rng), oneOf(rng, "GET", "POST", "PUT"), fields
}

func TestMatchAgreesWithANaiveReading(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for table := range 300 {
		routes := someRoutes(rng)
		r := newRouter(routes)
		for range 200 {
			host, path, method, fields := someRequest(rng)
			got, normal, ok := lookup(r, host, path, method, fields)
			if !ok {
				t.Fatalf("%q was refused", path)
			}
			if want := naive(routes, host, normal, method, fields); got != want {
				t.Fatalf("table %d: %s %q %q %v = %s, want %s", table, method, host, path, fields, show(got),
					show(want))
			}
		}
	}
}

func show(rt *Route) string {
	if rt == nil {
		return "no route"
	}
	return fmt.Sprintf("%+v", rt.Config.Match)
}

// fuzzRoutes have something of each kind.
func fuzzRoutes() (routes []*Route) {
	for _, m := range []config.Match{
		{Host: "a.example.com", PathPrefix: "/api"},
		{Host: "a.example.com", PathPrefix: "/api", Methods: []string{"GET"}},
		{Host: "*.example.com", PathPrefix: "/"},
		{Host: "*.b.example.com", PathPrefix: "/api/v1"},
		{PathPrefix: "/api/v1/" + strings.Repeat("a/", 60) + "a"},
		{PathPrefix: "/api/v1", Headers: []config.HeaderMatch{{Name: "x", Value: "1"}}},
		{PathPrefix: "//api"},
	} {
		routes = append(routes, routeFor(m))
	}
	return routes
}

func FuzzMatch(f *testing.F) {
	f.Add("a.example.com:80", "/api/v1/x", "GET", "1")
	f.Add("[::1]", "/%61pi/../api", "POST", "")
	f.Add(".", "/"+strings.Repeat("a/", 100), "", "2")
	f.Add("x.b.example.com.", "//api", "GET", "1")
	routes := fuzzRoutes()
	r := newRouter(routes)
	f.Fuzz(func(t *testing.T, host, path, method, value string) {
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		fields := map[string]string{"x": value}
		got, normal, ok := lookup(r, host, path, method, fields)
		if !ok {
			return
		}
		for _, c := range []byte(host) {
			if c >= 0x80 {
				return // lower case is of ASCII here, of Unicode in the naive reading
			}
		}
		if want := naive(routes, host, normal, method, fields); got != want {
			t.Errorf("%s %q %q = %s, want %s", method, host, path, show(got), show(want))
		}
	})
}

func TestDecideDoesNotAllocate(t *testing.T) {
	var routes []*Route
	for i := range 1000 {
		routes = append(routes, routeFor(config.Match{Host: fmt.Sprintf("h%d.example.com", i),
			PathPrefix: fmt.Sprintf("/api/v%d", i)}),
			routeFor(config.Match{Host: fmt.Sprintf("*.h%d.example.com", i), PathPrefix: "/", Methods: []string{"GET"},
				Headers: []config.HeaderMatch{{Name: "x-a", Value: "1"}}}))
	}
	routes = append(routes, routeFor(config.Match{PathPrefix: "/"}))
	table := &Table{router: newRouter(routes)}
	c := &Client{Listener: &Listener{Name: "web"}, IP: "127.0.0.1"}
	var d Decision
	var w Workspace
	var h message.Head
	h.Append([]byte("X-A"), []byte("1"))
	h.Method = []byte("GET")
	for _, tt := range []struct{ host, path string }{
		{"H7.example.com:8080", "/api/v7/x/y"}, {"x.y.h9.example.com", "/%61/../b"}, {"other", "/a/b/c"},
		{"h3.example.com", "/api/v9"},
	} {
		h.Authority, h.Path = []byte(tt.host), []byte(tt.path)
		run := func() {
			if _ = table.Decide(&d, &h, c, 1, &w); d.Route == nil { // the routes have no cluster
				t.Fatal("no route")
			}
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s%s: %v allocations, want 0", tt.host, tt.path, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			var routes []*Route
			for i := range n {
				routes = append(routes, routeFor(config.Match{Host: "app.example.com",
					PathPrefix: fmt.Sprintf("/api/v%d", i)}))
			}
			r := newRouter(routes)
			var h message.Head
			var w Workspace
			h.Authority = []byte("app.example.com")
			path := fmt.Appendf(nil, "/api/v%d/users/7", n-1)
			b.ReportAllocs()
			for b.Loop() {
				r.match(&h, path, "web", &w.edges, w.hostname[:0])
			}
		})
	}
}
