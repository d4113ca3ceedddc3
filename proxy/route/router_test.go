package route

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// naive is the contract's words on matching, word by word, with no thought of speed.
func naive(routes []*Route, host, path, method, query string, fields map[string]string) *Route {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	var best *Route
	var bestRank rank
	for i, rt := range routes {
		m := rt.Config.Match
		if !naiveAccepts(m, path, method, query, fields) {
			continue
		}
		hosts := m.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, h := range hosts {
			if r := naiveRank(m, h, host, i, routes); naiveHost(h, host) && (best == nil || r.beats(bestRank)) {
				best, bestRank = rt, r
			}
		}
	}
	return best
}

func naiveHost(want, host string) bool {
	if want == "" || want == host {
		return true
	}
	suffix, wild := strings.CutPrefix(want, "*")
	return wild && strings.HasSuffix(host, suffix) && len(host) != len(suffix)
}

func naiveAccepts(m config.Match, path, method, query string, fields map[string]string) bool {
	switch prefix := strings.TrimSuffix(m.PathPrefix, "/"); {
	case m.Path != "":
		if path != m.Path {
			return false
		}
	case m.PathRegex != "":
		if !regexp.MustCompile("^(?:" + m.PathRegex + ")$").MatchString(path) {
			return false
		}
	case path != prefix && !strings.HasPrefix(path, prefix+"/") && prefix != "":
		return false
	}
	if len(m.Methods) > 0 && !contains(m.Methods, []byte(method)) {
		return false
	}
	for _, h := range m.Headers {
		v, ok := fields[h.Name]
		if naiveValue(h, v, ok) == h.Invert {
			return false
		}
	}
	for _, q := range m.Query {
		fits := false
		for one := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(one, "=")
			fits = fits || name == q.Name && naiveValue(q, value, true)
		}
		if fits == q.Invert {
			return false
		}
	}
	return true
}

func naiveValue(m config.ValueMatch, v string, there bool) bool {
	want := m.Value
	if m.IgnoreCase && m.Operator != config.Regex {
		v, want = strings.ToLower(v), strings.ToLower(want)
	}
	switch m.Operator {
	case config.Present:
		return there
	case config.Prefix:
		return there && strings.HasPrefix(v, want)
	case config.Suffix:
		return there && strings.HasSuffix(v, want)
	case config.Contains:
		return there && strings.Contains(v, want)
	case config.Regex:
		if m.IgnoreCase {
			want = "(?i)" + want
		}
		return there && regexp.MustCompile("^(?:"+want+")$").MatchString(v)
	}
	return there && v == want
}

// rank compares from left to right.
type rank [7]int

func naiveRank(m config.Match, as, host string, at int, routes []*Route) rank {
	r := rank{0, len(as), 0, 0, len(strings.TrimSuffix(m.PathPrefix, "/")),
		len(m.Headers) + len(m.Query) + min(1, len(m.Methods)), -at}
	if as == host && host != "" {
		r[0] = 1
	}
	switch {
	case m.Path != "":
		r[2] = 2
	case m.PathRegex != "":
		r[2] = 1
		r[3] = -slices.IndexFunc(routes, func(rt *Route) bool { // among those of the same host
			o := rt.Config.Match
			return o.PathRegex == m.PathRegex && (as == "" && len(o.Hosts) == 0 || slices.Contains(o.Hosts, as))
		})
	}
	return r
}

func (r rank) beats(other rank) bool {
	for i := range r {
		if r[i] != other[i] {
			return r[i] > other[i]
		}
	}
	return false
}

func routeFor(m config.Match) *Route {
	rt, err := compileMatch(&config.Route{Match: m})
	if err != nil {
		panic(err)
	}
	return rt
}

// lookup matches as decide does. ok is false for a path that has no route because it is refused.
func lookup(r *router, host, path, method, query string, fields map[string]string) (rt *Route, normal string, ok bool) {
	h := headOf(host, method, fields)
	h.Query = []byte(query)
	n, _, ok := config.NormalPath([]byte(path), nil)
	if !ok {
		return nil, "", false
	}
	return r.match(&asked{head: h, path: n, listener: "web", work: new(Workspace)}), string(n), true
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
		m := config.Match{PathPrefix: somePath(rng)}
		if h := someHost(rng); h != "" {
			m.Hosts = []string{h}
		}
		if m.PathPrefix = strings.TrimRight(m.PathPrefix, "/"); m.PathPrefix == "" {
			m.PathPrefix = "/"
		}
		if rng.IntN(3) == 0 {
			m.Hosts = oneOf(rng, []string{"*.a"}, []string{"*.b.a"}, []string{"*.c.b.a"},
				[]string{"*.a", "b.a", "x.c.b.a"})
		}
		switch rng.IntN(6) {
		case 0:
			m.Path, m.PathPrefix = cmp.Or(somePath(rng), "/"), ""
		case 1:
			m.PathRegex, m.PathPrefix = oneOf(rng, "/a.*", "/a|/b", "/(a|b)+/?", ".*", "(?i)/A"), ""
		}
		if rng.IntN(3) == 0 {
			m.Methods = oneOf(rng, []string{"GET"}, []string{"GET", "POST"}, []string{"POST"})
		}
		if rng.IntN(3) == 0 {
			m.Headers = oneOf(rng, []config.ValueMatch{{Name: "x", Value: "1"}},
				[]config.ValueMatch{{Name: "x", Value: "1"}, {Name: "y", Value: "2"}},
				[]config.ValueMatch{{Name: "x", Value: someValue(rng), Operator: config.Operator(rng.IntN(6)),
					IgnoreCase: rng.IntN(2) == 0, Invert: rng.IntN(3) == 0}})
		}
		if rng.IntN(4) == 0 {
			m.Query = []config.ValueMatch{{Name: "q", Value: someValue(rng), Operator: config.Operator(rng.IntN(6)),
				IgnoreCase: rng.IntN(2) == 0, Invert: rng.IntN(3) == 0}}
		}
		routes = append(routes, routeFor(m))
	}
	return routes
}

// someValue is a text, and a pattern.
func someValue(rng *rand.Rand) string { return oneOf(rng, "1", "a", "aB", "Ab1", "b", "ab") }

func someRequest(rng *rand.Rand) (host, path, method, query string, fields map[string]string) {
	host = someHost(rng) + oneOf(rng, "", ":80", ".", ".:80")
	if rng.IntN(3) == 0 {
		host = strings.ToUpper(host)
	}
	fields = oneOf(rng, nil, map[string]string{"x": "1"}, map[string]string{"x": "1", "y": "2"},
		map[string]string{"y": "2", "x": "2"}, map[string]string{"x": someValue(rng)})
	query = oneOf(rng, "", "q", "q="+someValue(rng), "p=1&q="+someValue(rng)+"&q="+someValue(rng), "&&q=1")
	return host, somePath(rng), oneOf(rng, "GET", "POST", "PUT"), query, fields
}

func TestMatchAgreesWithANaiveReading(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for table := range 300 {
		routes := someRoutes(rng)
		r := newRouter(routes)
		for range 200 {
			host, path, method, query, fields := someRequest(rng)
			got, normal, ok := lookup(r, host, path, method, query, fields)
			if !ok {
				t.Fatalf("%q was refused", path)
			}
			if want := naive(routes, host, normal, method, query, fields); got != want {
				t.Fatalf("table %d: %s %q %q?%s %v = %s, want %s", table, method, host, path, query, fields, show(got),
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
		{Hosts: []string{"a.example.com"}, PathPrefix: "/api"},
		{Hosts: []string{"a.example.com"}, PathPrefix: "/api", Methods: []string{"GET"}},
		{Hosts: []string{"*.example.com"}, PathPrefix: "/"},
		{Hosts: []string{"*.b.example.com"}, PathPrefix: "/api/v1"},
		{PathPrefix: "/api/v1/" + strings.Repeat("a/", 60) + "a"},
		{PathPrefix: "/api/v1", Headers: []config.ValueMatch{{Name: "x", Value: "1"}}},
		{PathPrefix: "//api"},
		{Path: "/api/"},
		{PathRegex: "/[a-z]+/v[0-9]+"},
		{PathPrefix: "/q", Query: []config.ValueMatch{
			{Name: "a b", Operator: config.Prefix, Value: "X", IgnoreCase: true},
		}},
		{PathPrefix: "/q", Query: []config.ValueMatch{
			{Name: "q", Operator: config.Contains, Value: "z", Invert: true},
		}},
	} {
		routes = append(routes, routeFor(m))
	}
	return routes
}

func FuzzMatch(f *testing.F) {
	f.Add("a.example.com:80", "/api/v1/x", "GET", "1", "")
	f.Add("[::1]", "/%61pi/../api", "POST", "", "q=1")
	f.Add(".", "/"+strings.Repeat("a/", 100), "", "2", "&=&")
	f.Add("x.b.example.com.", "//api", "GET", "1", "q")
	f.Add("a", "/q", "GET", "1", "a b=xy")
	routes := fuzzRoutes()
	r := newRouter(routes)
	f.Fuzz(func(t *testing.T, host, path, method, value, query string) {
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		fields := map[string]string{"x": value}
		got, normal, ok := lookup(r, host, path, method, query, fields)
		if !ok || strings.ContainsAny(query, "%+") {
			return // the naive reading decodes nothing
		}
		for _, c := range []byte(host + query + path) {
			if c >= 0x80 || c == '\n' {
				return // lower case is of ASCII here, of Unicode in the naive reading
			}
		}
		if want := naive(routes, host, normal, method, query, fields); got != want {
			t.Errorf("%s %q %q = %s, want %s", method, host, path, show(got), show(want))
		}
	})
}

func TestDecideDoesNotAllocate(t *testing.T) {
	var routes []*Route
	for i := range 1000 {
		routes = append(routes, routeFor(config.Match{Hosts: []string{fmt.Sprintf("h%d.example.com", i)},
			PathPrefix: fmt.Sprintf("/api/v%d", i)}),
			routeFor(config.Match{Hosts: []string{fmt.Sprintf("*.h%d.example.com", i)}, PathPrefix: "/",
				Methods: []string{"GET"}, Headers: []config.ValueMatch{{Name: "x-a", Value: "1"}}}))
	}
	routes = append(routes, routeFor(config.Match{Hosts: []string{"all.example.com"}, PathRegex: "/[a-z]+/[0-9]+",
		Headers: []config.ValueMatch{{Name: "x-a", Operator: config.Regex, Value: "[0-9]"},
			{Name: "x-b", Operator: config.Present, Invert: true}},
		Query:  []config.ValueMatch{{Name: "a b", Operator: config.Contains, Value: "Q", IgnoreCase: true}},
		Source: prefixes("127.0.0.0/8")}))
	routes = append(routes, routeFor(config.Match{Hosts: []string{"all.example.com"}, Path: "/exact/7"}))
	routes = append(routes, routeFor(config.Match{PathPrefix: "/"}))
	table := &Table{router: newRouter(routes)}
	c := &Client{Listener: &Listener{Name: "web"}, IP: "127.0.0.1"}
	var d Decision
	var w Workspace
	var h message.Head
	h.Append([]byte("X-A"), []byte("1"))
	h.Method, h.Query = []byte("GET"), []byte("x=1&a+b=%70q")
	for _, tt := range []struct{ host, path string }{
		{"H7.example.com:8080", "/api/v7/x/y"}, {"x.y.h9.example.com", "/%61/../b"}, {"other", "/a/b/c"},
		{"h3.example.com", "/api/v9"}, {"all.example.com", "/exact/7"}, {"all.example.com", "/exact/8"},
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

func BenchmarkMatchConditions(b *testing.B) {
	for name, m := range map[string]config.Match{
		"none": {PathPrefix: "/"},
		"three": {
			PathPrefix: "/", Methods: []string{"GET"},
			Headers: []config.ValueMatch{{Name: "x-tenant", Operator: config.Prefix, Value: "a-"}},
			Query:   []config.ValueMatch{{Name: "page", Operator: config.Suffix, Value: "7"}},
		},
		"pattern": {PathRegex: "/users/[0-9]+"},
	} {
		b.Run(name, func(b *testing.B) {
			r := newRouter([]*Route{routeFor(m)})
			h := headOf("app.example.com", "GET", map[string]string{"accept": "*/*", "x-tenant": "a-1"})
			h.Query = []byte("sort=up&page=17")
			a := asked{head: h, path: []byte("/users/7"), listener: "web", work: new(Workspace)}
			b.ReportAllocs()
			for b.Loop() {
				if r.match(&a) == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, exact := range []bool{false, true} {
		for _, n := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("exact %v, %d routes", exact, n), func(b *testing.B) {
				var routes []*Route
				for i := range n {
					m := config.Match{Hosts: []string{"app.example.com"}, PathPrefix: fmt.Sprintf("/api/v%d", i)}
					if exact {
						m.Path, m.PathPrefix = m.PathPrefix+"/users/7", ""
					}
					routes = append(routes, routeFor(m))
				}
				r := newRouter(routes)
				h := message.Head{Authority: []byte("app.example.com")}
				path := fmt.Appendf(nil, "/api/v%d/users/7", n-1)
				a := asked{head: &h, path: path, listener: "web", work: new(Workspace)}
				b.ReportAllocs()
				for b.Loop() {
					if r.match(&a) == nil {
						b.Fatal("no route")
					}
				}
			})
		}
	}
}
