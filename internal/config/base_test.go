package config

import (
	"reflect"
	"strings"
	"testing"
)

func listenerNames(d *Document) (names []string) {
	for _, l := range d.Listeners {
		names = append(names, l.Name)
	}
	return names
}

func routeNames(d *Document) (names []string) {
	for _, r := range d.Routes {
		names = append(names, r.Name)
	}
	return names
}

func TestBaseIsAdded(t *testing.T) {
	const rest = "\nclusters: [{name: b, endpoints: ['b:1']}]"
	for _, row := range []struct {
		name, text, listeners, routes string
	}{
		{"nothing in the way", "routes: [{name: b, match: {path_prefix: /b}, cluster: b}]", "default tcp-6379",
			"b app"},
		{"a cluster of the base is known", "routes: [{name: b, match: {path_prefix: /b}, cluster: app, listeners: " +
			"[default]}]", "default tcp-6379", "b app"},
		{"the same address", "listeners: [{name: web, address: '[::]:8080'}]", "web tcp-6379", "app"},
		{"the same name", "listeners: [{name: tcp-6379, address: ':1'}]", "tcp-6379 default", "app"},
		{"another address of the port", "listeners: [{name: web, address: '127.0.0.1:8080'}]", "web default tcp-6379",
			"app"},
		{"the same match", "routes: [{name: all, cluster: b}]", "default tcp-6379", "all"},
		{"the same route name", "routes: [{name: app, match: {path_prefix: /b}, cluster: b}]", "default tcp-6379",
			"app"},
		{"more conditions", "routes: [{name: all, match: {methods: [GET]}, cluster: b}]", "default tcp-6379",
			"all app"},
		{"for one listener only", "routes: [{name: all, listeners: [default], cluster: b}]", "default tcp-6379",
			"all app"},
	} {
		doc := decode(t, row.text+rest, bootstrap())
		if got := strings.Join(listenerNames(doc), " "); got != row.listeners {
			t.Errorf("%s: listeners %s, want %s", row.name, got, row.listeners)
		}
		if got := strings.Join(routeNames(doc), " "); got != row.routes {
			t.Errorf("%s: routes %s, want %s", row.name, got, row.routes)
		}
	}
}

func TestClusterOfTheDocumentWins(t *testing.T) {
	doc := decode(t, "clusters: [{name: app, endpoints: ['other:1']}]", bootstrap())
	if len(doc.Clusters) != 1 || doc.Clusters[0].Endpoints[0].Address != "other:1" {
		t.Errorf("clusters = %+v, want the document's app only", doc.Clusters)
	}
}

// What the document changes under the base's feet is told of the base.
func TestBaseAgainstDocument(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"clusters: [{name: app, endpoints: ['a:1'], protocol: tcp}]",
			"1:1: bootstrap.routes[0].cluster: a route needs a cluster that speaks HTTP (the protocol of app is tcp)"},
		{"clusters: [{name: app, endpoints: ['a:1'], protocol: tcp}]\nroutes: [{name: app, cluster: x}]",
			"2:31: routes[0].cluster: cluster x is not defined (known: app)"},
		{"listeners: [{name: web, address: ':8080'}]\nroutes: [{name: a, cluster: app, listeners: [default]}]",
			"2:46: routes[0].listeners[0]: listener default is not defined (known: tcp-6379, web)"},
	} {
		if got := problems(row.text, bootstrap()); got != row.want {
			t.Errorf("%s: %s\nwant %s", row.text, got, row.want)
		}
	}
}

func TestFromBootstrap(t *testing.T) {
	base := bootstrap()
	if err := base.Check(); err != nil {
		t.Fatal(err)
	}
	doc := FromBootstrap(base)
	if got := strings.Join(append(listenerNames(doc), routeNames(doc)...), " "); got != "default tcp-6379 app" {
		t.Errorf("document has %s", got)
	}
	// The defaults are those of a document: the same text read makes the same revision.
	same(t, doc, Base{})
	same(t, doc, base)
	if !reflect.DeepEqual(FromBootstrap(Base{}).Timeouts, Standard().Timeouts) {
		t.Error("an empty base is not Standard")
	}
}

// Where only a document brings a cluster, the bootstrap serves what it has.
func TestFromBootstrapLeavesOut(t *testing.T) {
	base := bootstrap()
	base.Routes = append(base.Routes, Route{Name: "orders", Match: Match{PathPrefix: "/orders"},
		Clusters: []WeightedCluster{{Name: "orders"}}})
	base.Listeners[1].Cluster = "mysql"
	doc := FromBootstrap(base)
	if got := strings.Join(append(listenerNames(doc), routeNames(doc)...), " "); got != "default app" {
		t.Errorf("document has %s", got)
	}
	same(t, doc, Base{})
	text := "clusters: [{name: orders, endpoints: ['a:1']}, {name: mysql, endpoints: ['a:1']}]"
	if got := strings.Join(routeNames(decode(t, text, base)), " "); got != "app orders" {
		t.Errorf("with a document: routes %s", got)
	}
}

func TestBaseCheck(t *testing.T) {
	if err := (Base{}).Check(); err != nil {
		t.Error(err)
	}
	for _, row := range []struct {
		name string
		set  func(*Base)
		want string
	}{
		{"route", func(b *Base) { b.Routes[0].Clusters[0].Name = "ap" },
			"1:1: bootstrap.routes[0].cluster: cluster ap is not defined (did you mean app?)"},
		{"names", func(b *Base) { b.Clusters = append(b.Clusters, b.Clusters[0]) },
			"1:1: bootstrap.clusters[1].name: the name app is taken (the bootstrap)"},
		{"addresses", func(b *Base) { b.Listeners[1].Address = "0.0.0.0:8080" },
			"1:1: bootstrap.listeners[1].address: the address 0.0.0.0:8080 is taken (the bootstrap)"},
		{"endpoint", func(b *Base) { b.Clusters[0].Endpoints[0].Address = "3000" },
			`1:1: bootstrap.clusters[0].endpoints[0].address: want host:port: write 127.0.0.1:3000 for this machine ` +
				`(seen "3000")`},
		{"timeout", func(b *Base) { b.Timeouts.Idle = 0 },
			`1:1: bootstrap.timeouts.idle: want more than 0: it would wait without end (seen "0s")`},
		{"keepalive", func(b *Base) { b.Keepalive.IdleTimeout = -1 },
			`1:1: bootstrap.keepalive.idle_timeout: want a duration such as 5s, 1h30m or 250ms (seen "-1ns")`},
		{"sampling", func(b *Base) { b.AccessLog.Sampling = 2 },
			"1:1: bootstrap.access_log.sampling: want a number from 0 to 1 (seen 2)"},
		{"two problems", func(b *Base) { b.Listeners[0].Name, b.Routes[0].Name = "a b", "" },
			"1:1: bootstrap.listeners[0].name: want a name of letters, digits and . _ - / : @ + ~ (seen \"a " +
				"b\")\n1:1: bootstrap.routes[0]: name is missing"},
	} {
		base := bootstrap()
		row.set(&base)
		if err := base.Check(); err == nil || err.Error() != row.want {
			t.Errorf("%s: Check = %v\nwant %s", row.name, err, row.want)
		}
	}
}
