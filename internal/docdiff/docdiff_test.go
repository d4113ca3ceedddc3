package docdiff

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const base = `
listeners: [{name: web, address: ":8080"}]
routes:
  - {name: shop, match: {path_prefix: /shop}, cluster: shop, timeouts: {upstream: 5s}}
  - {name: api, match: {path_prefix: /api}, cluster: api}
clusters:
  - {name: shop, endpoints: [{address: "10.0.0.1:80", weight: 3}, "10.0.0.2:80"]}
  - {name: api, consul: {service: api}}
`

func decode(t testing.TB, text string) *config.Document {
	t.Helper()
	if text == "" {
		return nil
	}
	d, err := config.Decode([]byte(text), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const l4 = `
listeners:
  - {name: db, address: ":3306", protocol: tcp, cluster: db}
  - name: tls
    address: ":8443"
    protocol: tls
    sni: [{host: db.example.com, cluster: db}, {host: "*", cluster: web}]
clusters:
  - {name: db, consul: {service: db}}
  - {name: web, consul: {service: web}}
`

const split = `
routes:
  - name: all
    clusters: [{name: a, weight: 9}, {name: b.v2}, {name: c, weight: 0}]
    sticky: {cookie: {name: canary}}
clusters:
  - {name: a, endpoints: ["a:1"]}
  - {name: b.v2, endpoints: ["a:2"]}
  - {name: c, endpoints: ["a:3"]}
`

// clusters are those of split, which nothing uses.
var clusters = split[strings.Index(split, "clusters:\n"):]

func TestCompare(t *testing.T) {
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(base) }
	asking := edit("cluster: shop, timeouts", "cluster: shop, external_auth: {cluster: api}, timeouts")
	standIn := edit("{service: api}", "{service: api}, failover: [shop]")
	for _, row := range []struct {
		name, before, next, want string
		empty                    []string
		meaning                  string
	}{
		{"the same", base, base + "# a comment\n", "", nil, ""},
		{"the first", "", base,
			"listener web added\nroute shop added\nroute api added\ncluster shop added\ncluster api added", nil, ""},
		{"a timeout", base, edit("5s", "7s"),
			"route shop changed: timeouts.upstream 5s -> 7s", nil, ""},
		{"a weight", base, edit("weight: 3", "weight: 4"), "cluster shop changed: endpoints.10.0.0.1:80.weight 3 -> 4",
			nil, ""},
		{"an endpoint less", base, edit(`, "10.0.0.2:80"`, ""),
			"cluster shop changed: endpoints.10.0.0.2:80 {\"weight\":1} -> ", nil, ""},
		{"order of endpoints", base, edit(`{address: "10.0.0.1:80", weight: 3}, "10.0.0.2:80"`,
			`"10.0.0.2:80", {address: "10.0.0.1:80", weight: 3}`), "", nil, ""},
		{"a route renamed", base, edit("name: api, match", "name: v1, match"),
			"route v1 changed: name api -> v1", nil, ""},
		{"a route removed", base, edit("  - {name: api, match: {path_prefix: /api}, cluster: api}\n", ""),
			"route api removed", nil, "requests of 1 route go to other routes, or are answered with 404"},
		{"no route left", split, clusters, "route all removed", nil,
			"no route is left: every request is answered with 404"},
		{"an address", base, edit(":8080", ":8081"), "listener web changed: address :8080 -> :8081", nil,
			"listener web: address changes, open connections live on"},
		{"who may", base, edit("cluster: api}", "cluster: api, allow: {sources: [10.0.0.0/8]}}"),
			"route api changed: allow.sources  -> [\"10.0.0.0/8\"]", nil,
			"route api: lets in others than before, by allow"},
		{"who may not", edit("cluster: api}", "cluster: api, deny: {sources: [10.0.0.1], identities: [a.b]}}"), base,
			"route api changed: deny.identities [\"a.b\"] -> , deny.sources [\"10.0.0.1/32\"] -> ", nil,
			"route api: lets in everybody"},
		{"who may connect", l4,
			strings.Replace(l4, "tcp, ", "tcp, deny: {sources: [10.0.0.1]}, allow: {sources: [10.0.0.0/8]}, ", 1),
			"listener db changed: allow.sources  -> [\"10.0.0.0/8\"], deny.sources  -> [\"10.0.0.1/32\"]", nil,
			"listener db: lets in others than before, by allow and deny"},
		{"a global timeout", base, base + "timeouts: {idle: 30s}\n", "timeouts changed: idle 1m -> 30s", nil, ""},
		{"an empty cluster", base, base, "", []string{"api"}, "1 route would have no endpoint"},
		{"nobody to ask", asking, asking, "", []string{"api"},
			"route shop would let nobody in: api, which it asks, has no endpoint\n1 route would have no endpoint"},
		{"nobody is asked any more", asking, base, "route shop changed: external_auth.cluster api -> , " +
			"external_auth.on_error deny -> , external_auth.path / -> , " +
			"external_auth.request_headers [\"authorization\",\"cookie\"] -> , external_auth.timeout 1s -> ", nil,
			"route shop: lets in everybody"},
		{"copies", base, edit("cluster: api}", "cluster: api, mirror: {cluster: shop, percent: 10}}"),
			"route api changed: mirror.cluster  -> shop, mirror.percent  -> 10", nil,
			"route api: copies of its requests, 10 % to cluster shop"},
		{"no copies any more", edit("cluster: api}", "cluster: api, mirror: {cluster: shop}}"), base,
			"route api changed: mirror.cluster shop -> , mirror.percent 100 -> ", nil, ""},
		{"error pages", base + "error_pages: {\"404\": {body: a}, 5xx: {body: b}}\n",
			base + "error_pages: {\"404\": {body: c, content_type: text/html}, 5xx: {body: b}, 4xx: {body: d}}\n",
			"error_pages changed: 404.body a -> c, 404.content_type text/plain; charset=utf-8 -> text/html, " +
				"4xx.body  -> d, " +
				"4xx.content_type  -> text/plain; charset=utf-8", nil,
			"responses of the gateway itself have another body: 404, 4xx"},
		{"another stands in", standIn, standIn, "", []string{"api"}, ""},
		{"which is empty too", standIn, standIn, "", []string{"api", "shop"}, "2 routes would have no endpoint"},
		{"a cluster out of a sticky split", split,
			strings.NewReplacer(", {name: b.v2}", "", "weight: 9", "weight: 8").Replace(split),
			"route all changed: clusters.a.weight 9 -> 8, clusters.b.v2 {\"weight\":1} -> ", nil,
			"route all: clients that stay at b.v2 are drawn anew"},
		{"another cookie", split, strings.Replace(split, "canary", "stay", 1),
			"route all changed: sticky.cookie.name canary -> stay", nil,
			"route all: the cookie has another name, so all clients are drawn anew"},
		{"the same cookie, kept otherwise", split,
			strings.Replace(split, "name: canary", "name: canary, secure: true, http_only: false, same_site: none", 1),
			"route all changed: sticky.cookie.http_only  -> false, sticky.cookie.same_site  -> none, " +
				"sticky.cookie.secure  -> true", nil, ""},
		{"a cluster into a sticky split", strings.Replace(split, ", {name: b.v2}", "", 1), split,
			"route all changed: clusters.b.v2  -> {\"weight\":1}", nil, ""},
		{"L4 listeners", l4, l4, "", []string{"db"},
			"listener db would have no endpoint\nlistener tls would have no endpoint for db.example.com"},
	} {
		before, next := decode(t, row.before), decode(t, row.next)
		changes := Compare(before, next)
		var lines []string
		for _, c := range changes {
			line := strings.TrimSpace(c.Kind+" "+c.Name) + " " + c.What
			for i, f := range c.Fields {
				line += fmt.Sprintf("%s %s %s -> %s", []string{":", ","}[min(i, 1)], f.Path, f.Before, f.After)
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "\n"); got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, row.want)
		}
		if got := strings.Join(Meaning(changes, next, row.empty), "\n"); got != row.meaning {
			t.Errorf("%s means %q, want %q", row.name, got, row.meaning)
		}
	}
}

func TestEmptied(t *testing.T) {
	for _, row := range []struct{ name, before, next, want string }{
		{"a route is left", base, split, ""},
		{"none is", base, clusters, "no route is left of 2"},
		{"there was none", clusters, clusters, ""},
		{"only listeners of L4", l4, l4, ""},
		{"no listener of L4 is left", l4, clusters, "no listener is left that forwards TCP"},
		{"but a route is", l4, base, ""},
		{"no route is, beside a listener of L4", base, l4, "no route is left of 2"},
	} {
		before, next := decode(t, row.before), decode(t, row.next)
		if got := Emptied(before, next); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if got := Emptied(nil, next); got != "" {
			t.Errorf("%s, and nothing before: %q", row.name, got)
		}
	}
}

// What is compared twice is told the same way.
func TestCompareIsSteady(t *testing.T) {
	before, next := decode(t, base), decode(t, strings.ReplaceAll(base, "api", "other"))
	first := Compare(before, next)
	for range 20 {
		same := func(a, b Change) bool {
			return a.Kind == b.Kind && a.Name == b.Name && a.What == b.What && slices.Equal(a.Fields, b.Fields)
		}
		if again := Compare(before, next); !slices.EqualFunc(first, again, same) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
}

// Two documents of which each name is another take no longer than others. What took the square of it took minutes.
func TestCompareOfManyNames(t *testing.T) {
	const routes = 20_000
	document := func(name string) *config.Document {
		var b strings.Builder
		b.WriteString("clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\nroutes:\n")
		for i := range routes {
			fmt.Fprintf(&b, "- {name: %s%d, match: {path_prefix: /%s%d}, cluster: c}\n", name, i, name, i)
		}
		return decode(t, b.String())
	}
	before, next := document("a"), document("b")
	begun := time.Now()
	changes := Compare(before, next)
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	if len(changes) != 2*routes {
		t.Errorf("%d changes, want each route removed and added", len(changes))
	}
}
