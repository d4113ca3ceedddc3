package route

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// checkExplained holds what is said of a request against what is done with it.
func checkExplained(t *testing.T, r *router, h *message.Head, path []byte, listener string) {
	t.Helper()
	a := &asked{head: h, path: path, listener: listener, work: new(Workspace)}
	host := hostname(h.Authority, nil)
	want := r.match(a)
	won, others := r.explain(a)
	if won != want {
		t.Fatalf("explained as %s, matched as %s", show(won), show(want))
	}
	if n := len(r.routes); won != nil && len(others) != n-1 || won == nil && len(others) != n {
		t.Fatalf("%d other routes of %d, won: %s", len(others), n, show(won))
	}
	// Those that are asked before the winner all refuse; the winner's place among all is the
	// first that does not.
	tried := r.tried(host, a)
	first := slices.IndexFunc(tried, func(rt *Route) bool { return rt.wants.unmet(a) == allMet })
	if first < 0 != (won == nil) || first >= 0 && tried[first] != won {
		t.Fatalf("the first of those tried that accepts is %d, won: %s", first, show(won))
	}
	fits := fitsAll
	for i, o := range others {
		if o.fits > fits {
			t.Fatalf("%s, which came further, stands behind one that did not", show(o.Route))
		}
		fits = o.fits
		if reason := o.why(won, a); reason == "" || strings.HasSuffix(reason, ".") {
			t.Fatalf("%s lost because %q", show(o.Route), reason)
		}
		// Alone it would win exactly if it is said to fit.
		alone := newRouter([]*Route{o.Route}).match(a) != nil
		if alone != (o.fits == fitsAll && o.unmet == allMet) {
			t.Fatalf("%s alone wins: %v, but it is said that %s", show(o.Route), alone, o.why(won, a))
		}
		if i > 0 && others[i-1].fits == o.fits && precedence(others[i-1].Route, o.Route, host) > 0 {
			t.Fatalf("%s stands before %s", show(others[i-1].Route), show(o.Route))
		}
	}
}

func TestExplainAgreesWithMatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		routes := someRoutes(rng)
		for _, rt := range routes {
			rt.wants.listeners = oneOf(rng, nil, nil, []string{"web"}, []string{"inner", "web"})
		}
		r := newRouter(routes)
		for range 50 {
			host, path, method, query, fields := someRequest(rng)
			normal, _, ok := config.NormalPath([]byte(path), nil)
			if !ok {
				t.Fatalf("%q was refused", path)
			}
			h := headOf(host, method, fields)
			h.Query = []byte(query)
			checkExplained(t, r, h, normal, oneOf(rng, "web", "inner", ""))
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("http://a.example.com:80/api/v1/x", "GET", "x: 1", uint64(1))
	f.Add("https://[::1]/%61pi/../api", "POST", "Host: x.b.example.com.", uint64(2))
	f.Add("http://a/"+strings.Repeat("a/", 100), "", "X:2", uint64(0))
	f.Add("HTTP://b.a?x", "PUT", "content-length: 1", uint64(3))
	lim := http1.DefaultLimits()
	f.Fuzz(func(t *testing.T, url, method, field string, seed uint64) {
		q := ExplainRequest{URL: url, Method: method, Fields: []string{field}}
		h, err := q.head(&lim)
		if err != nil {
			name, _, _ := strings.Cut(err.Error(), " ")
			if name = strings.TrimSuffix(name, ":"); name != "url" && name != "method" && name != "header" {
				t.Errorf("%+v: %v", q, err)
			}
			return
		}
		path, _, ok := config.NormalPath(h.Path, nil)
		if !ok {
			return
		}
		routes := fuzzRoutes()
		if seed > 0 {
			routes = someRoutes(rand.New(rand.NewPCG(seed, 0)))
		}
		checkExplained(t, newRouter(routes), h, path, "web")
	})
}
