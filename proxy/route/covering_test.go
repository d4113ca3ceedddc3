package route

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestCovering(t *testing.T) {
	const clusters = "clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\n"
	decode := func(routes string) *config.Document {
		t.Helper()
		d, err := config.Decode([]byte(clusters+"routes:\n"+routes), config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	table := &Table{}
	var routes []*Route
	doc := decode(`
- {name: canary, match: {path_prefix: /api, headers: {x-canary: "1"}}, respond: {status: 200}}
- {name: api, match: {path_prefix: /api}, respond: {status: 200}}
- {name: exact, match: {path: /api/v2}, respond: {status: 200}}
- {name: wild, match: {host: "*.example.com"}, respond: {status: 200}}
- {name: posts, match: {path_prefix: /posts, methods: [POST]}, respond: {status: 200}}
`)
	for i := range doc.Routes {
		rt, err := compileRoute(&doc.Routes[i], &Options{Document: doc, Registry: telemetry.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, rt)
	}
	table.router = newRouter(routes)
	for _, row := range []struct{ match, want string }{
		{"{path_prefix: /api}", "api"},
		{"{path_prefix: /api/v2}", "api"},
		{"{path: /api/v2}", "exact"},
		{"{path: /api/v3}", "api"},
		{"{path_prefix: /api/v2, headers: {x-a: b}}", "api"},
		{"{host: a.example.com, path_prefix: /x}", "wild"},
		{"{host: '*.b.example.com'}", "wild"},
		{"{host: example.com}", ""},
		{"{host: example.com, path_prefix: /api/v2}", "api"},
		{"{path_prefix: /posts}", "posts"},
		{"{path_prefix: /other}", ""},
		{"{path_prefix: /}", ""},
		{"{path_regex: /api/.*}", ""},
	} {
		m := &decode("- {name: new, match: " + row.match + ", respond: {status: 200}}\n").Routes[0].Match
		if got := table.Covering(m); got != row.want {
			t.Errorf("%s was %q, want %q", row.match, got, row.want)
		}
	}
}
