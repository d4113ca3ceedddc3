package docdiff

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestPartner(t *testing.T) {
	const cluster = "clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\n"
	doc := decode(t, cluster+`
routes:
- {name: a, match: {path_prefix: /a}, cluster: c}
- {name: b, match: {host: b.example.com, path_prefix: /b, methods: [GET]}, cluster: c}
`)
	known := RoutesOf(doc)
	for _, row := range []struct{ route, want string }{
		{"{name: a, match: {path_prefix: /b}, cluster: c}", "a"},
		{"{name: x, match: {path_prefix: /a}, cluster: c}", "a"},
		{"{name: x, match: {host: b.example.com, path_prefix: /b, methods: [GET]}, cluster: c}", "b"},
		{"{name: x, match: {host: b.example.com, path_prefix: /b}, cluster: c}", ""},
		{"{name: x, match: {path_prefix: /b}, cluster: c}", ""},
	} {
		got := ""
		if i := known.Partner(&decode(t, cluster+"routes: ["+row.route+"]").Routes[0]); i >= 0 {
			got = doc.Routes[i].Name
		}
		if got != row.want {
			t.Errorf("%s is %q, want %q", row.route, got, row.want)
		}
	}
}

// Of many routes each is found at once: the square of 40,000 took minutes, and nothing was applied meanwhile.
func TestManyPartners(t *testing.T) {
	const routes = 20_000
	many := func(name, path string) *config.Document {
		var b strings.Builder
		b.WriteString("clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\nroutes:\n")
		for i := range routes {
			fmt.Fprintf(&b, "- {name: %s%d, match: {path_prefix: /%s%d}, cluster: c}\n", name, i, path, i)
		}
		return decode(t, b.String())
	}
	active, next := many("a", "a"), many("b", "b")
	begun := time.Now()
	known := RoutesOf(active)
	for i := range next.Routes {
		if was := known.Partner(&next.Routes[i]); was >= 0 {
			t.Fatalf("%s is %s", next.Routes[i].Name, active.Routes[was].Name)
		}
	}
	FindTouched(active, next)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
