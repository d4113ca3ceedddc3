package sidecar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func document(t *testing.T, text string) *config.Document {
	t.Helper()
	doc, err := config.Decode([]byte(text), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestKnownRoutes(t *testing.T) {
	const cluster = "clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\n"
	known := newKnownRoutes(document(t, cluster+`
routes:
- {name: a, match: {path_prefix: /a}, cluster: c}
- {name: b, match: {host: b.example.com, path_prefix: /b, methods: [GET]}, cluster: c}
`))
	for _, row := range []struct{ route, want string }{
		{"{name: a, match: {path_prefix: /b}, cluster: c}", "a"},
		{"{name: x, match: {path_prefix: /a}, cluster: c}", "a"},
		{"{name: x, match: {host: b.example.com, path_prefix: /b, methods: [GET]}, cluster: c}", "b"},
		{"{name: x, match: {host: b.example.com, path_prefix: /b}, cluster: c}", ""},
		{"{name: x, match: {path_prefix: /b}, cluster: c}", ""},
	} {
		got := ""
		if was := known.same(&document(t, cluster+"routes: ["+row.route+"]").Routes[0]); was != nil {
			got = was.Name
		}
		if got != row.want {
			t.Errorf("%s is %q, want %q", row.route, got, row.want)
		}
	}
}

// Of many routes each is found at once: the square of 40,000 took minutes, and nothing was applied meanwhile.
func TestManyKnownRoutes(t *testing.T) {
	const routes = 20_000
	many := func(name, path string) *config.Document {
		var b strings.Builder
		b.WriteString("clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\nroutes:\n")
		for i := range routes {
			fmt.Fprintf(&b, "- {name: %s%d, match: {path_prefix: /%s%d}, cluster: c}\n", name, i, path, i)
		}
		return document(t, b.String())
	}
	active, next := many("a", "a"), many("b", "b")
	begun := time.Now()
	known := newKnownRoutes(active)
	for i := range next.Routes {
		if was := known.same(&next.Routes[i]); was != nil {
			t.Fatalf("%s is %s", next.Routes[i].Name, was.Name)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
