package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

const explained = `
clusters:
- {name: app, endpoints: ["127.0.0.1:9001"]}
routes:
- {name: orders, match: {host: shop.example.com, path_prefix: /orders}, cluster: app}
- {name: canary, match: {host: shop.example.com, path_prefix: /orders, headers: {x-canary: "secret"}}, cluster: app}
- {name: write, match: {host: shop.example.com, path_prefix: /orders/new, methods: [POST, PUT]}, cluster: app}
- {name: carts, match: {host: shop.example.com, path_prefix: /carts}, cluster: app}
- {name: wild, match: {host: "*.example.com"}, cluster: app}
- {name: other, match: {host: "*.example.org"}, cluster: app}
- {name: blog, match: {host: blog.example.com}, cluster: app}
- {name: get, match: {methods: [GET]}, cluster: app}
- {name: also-get, match: {methods: [GET, HEAD]}, cluster: app}
`

// told writes an explanation's routes, a line each.
func told(e *route.Explanation) string {
	var b strings.Builder
	if rt := e.Route; rt == nil {
		b.WriteString("none\n")
	} else {
		fmt.Fprintf(&b, "%s: host %q %s, prefix %s, methods %v, headers %v, listeners %v\n", rt.Name, rt.Host,
			rt.HostMatch, rt.PathPrefix, rt.Methods, rt.Headers, rt.Listeners)
	}
	for _, o := range e.Others {
		fmt.Fprintf(&b, "%s: %s\n", o.Name, o.Reason)
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	g := start(t, explained)
	const otherHosts = "other: the host is not below example.org\n"
	for _, row := range []struct {
		name string
		q    route.ExplainRequest
		as   string // host and path, as matched
		want string
	}{
		{
			"exact host", route.ExplainRequest{URL: "http://Shop.Example.com:8080/x/../%6Frders/7?a=b"},
			"shop.example.com/orders/7",
			`orders: host "shop.example.com" exact, prefix /orders, methods [], headers [], listeners []
canary: there is no header x-canary
wild: it fits too, but orders comes first: its host is more specific
get: it fits too, but orders comes first: its host is more specific
also-get: it fits too, but orders comes first: its host is more specific
write: the path is not /orders/new, nor below it
carts: the path is not /carts, nor below it
blog: the host is not blog.example.com
` + otherHosts,
		},
		{
			"conditions", route.ExplainRequest{Method: "PUT", URL: "http://shop.example.com/orders/new/",
				Fields: []string{"X-Canary: secret"}}, "shop.example.com/orders/new/",
			`write: host "shop.example.com" exact, prefix /orders/new, methods [POST PUT], headers [], listeners []
canary: it fits too, but write comes first: its prefix is longer
orders: it fits too, but write comes first: its prefix is longer
wild: it fits too, but write comes first: its host is more specific
get: the method is not GET
also-get: the method is not GET or HEAD
carts: the path is not /carts, nor below it
blog: the host is not blog.example.com
` + otherHosts,
		},
		{
			"Host field instead of the URL's",
			route.ExplainRequest{URL: "http://127.0.0.1/orders",
				Fields: []string{"x-canary: secret", "Host: shop.example.com"}}, "shop.example.com/orders",
			`canary: host "shop.example.com" exact, prefix /orders, methods [], headers [x-canary], listeners []
orders: it fits too, but canary comes first: it has more conditions
wild: it fits too, but canary comes first: its host is more specific
get: it fits too, but canary comes first: its host is more specific
also-get: it fits too, but canary comes first: its host is more specific
write: the path is not /orders/new, nor below it
carts: the path is not /carts, nor below it
blog: the host is not blog.example.com
` + otherHosts,
		},
		{
			"wildcard", route.ExplainRequest{URL: "http://a.shop.example.com/orders"}, "a.shop.example.com/orders",
			`wild: host "*.example.com" wildcard, prefix /, methods [], headers [], listeners []
get: it fits too, but wild comes first: its host is more specific
also-get: it fits too, but wild comes first: its host is more specific
write: the host is not shop.example.com
canary: the host is not shop.example.com
orders: the host is not shop.example.com
carts: the host is not shop.example.com
blog: the host is not blog.example.com
` + otherHosts,
		},
		{
			"order of the document", route.ExplainRequest{URL: "http://localhost/orders"}, "localhost/orders",
			`get: host "" any, prefix /, methods [GET], headers [], listeners []
also-get: it fits too, but get comes first: it stands before it in the document
write: the host is not shop.example.com
canary: the host is not shop.example.com
orders: the host is not shop.example.com
carts: the host is not shop.example.com
blog: the host is not blog.example.com
wild: the host is not below example.com
` + otherHosts,
		},
		{
			"none", route.ExplainRequest{Method: "DELETE", URL: "https://[::1]/"}, "[::1]/",
			`none
get: the method is not GET
also-get: the method is not GET or HEAD
write: the host is not shop.example.com
canary: the host is not shop.example.com
orders: the host is not shop.example.com
carts: the host is not shop.example.com
blog: the host is not blog.example.com
wild: the host is not below example.com
` + otherHosts,
		},
		{
			"values of headers", route.ExplainRequest{URL: "http://shop.example.com/orders",
				Fields: []string{"X-Canary: 0"}}, "shop.example.com/orders",
			"...\ncanary: the header x-canary has another value\n...",
		},
		{
			"any of several", route.ExplainRequest{URL: "http://shop.example.com/orders",
				Fields: []string{"X-Canary: 0", "x-canary: secret"}}, "shop.example.com/orders",
			"...\norders: it fits too, but canary comes first: it has more conditions\n...",
		},
	} {
		e, err := g.server.Explain(row.q, config.Standard())
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := e.Host + e.Path; got != row.as {
			t.Errorf("%s: matched as %s, want %s", row.name, got, row.as)
		}
		got := told(e)
		if part, ok := strings.CutPrefix(row.want, "..."); ok {
			if part = strings.TrimSuffix(part, "..."); !strings.Contains(got, part) {
				t.Errorf("%s:\n%s\nwant in it%s", row.name, got, part)
			}
		} else if got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

func TestExplainRefusesAPathThatClimbs(t *testing.T) {
	g := start(t, explained)
	_, err := g.server.Explain(route.ExplainRequest{URL: "http://a/b/../../c"}, config.Standard())
	if want := `url "http://a/b/../../c": its path climbs above the root or ends inside an encoding, ` +
		`which is answered with 400`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestExplainAsksForTheListenerWhereItMatters(t *testing.T) {
	web, inner := testserver.Addr(t), testserver.Addr(t)
	_, webPort, _ := net.SplitHostPort(web)
	_, innerPort, _ := net.SplitHostPort(inner)
	two := fmt.Sprintf("clusters:\n- {name: app, endpoints: [\"127.0.0.1:9001\"]}\nlisteners:\n- {name: web, "+
		"address: %q}\n- {name: inner, address: %q}\nroutes:\n", web, inner)
	plain := two + "- {name: all, cluster: app}\n"
	some := plain + "- {name: reports, match: {path_prefix: /reports}, listeners: [inner], cluster: app}\n"
	three := strings.Replace(some, "routes:", "- {name: second, address: \"127.0.0.2:"+innerPort+"\"}\nroutes:", 1)
	only := strings.Replace(some, fmt.Sprintf("- {name: web, address: %q}\n", web), "", 1)
	const (
		all       = ` all: host "" any, prefix /, methods [], headers [], listeners []`
		fromInner = `inner reports: host "" any, prefix /reports, methods [], headers [], listeners [inner]
all: it fits too, but reports comes first: its prefix is longer`
		fromWeb = `web all: host "" any, prefix /, methods [], headers [], listeners []
reports: the listener is not inner`
	)
	known := "there are web at " + web + ", inner at " + inner
	for _, row := range []struct {
		name, document, listener, host string
		want                           string // what is told, or what is wrong
	}{
		{"none said, it does not matter", plain, "", "a", all},
		{"an unknown port, it does not matter", plain, "", "a:1", all},
		{"said, it does not matter", plain, "inner", "a", "inner" + all},
		{"the right one", some, "inner", "a", fromInner},
		{"another one", some, "web", "a", fromWeb},
		{"the port of one", some, "", "a:" + innerPort, fromInner},
		{"the port of the other", some, "", "[::1]:" + webPort, fromWeb},
		{"the name counts more than the port", some, "web", "a:" + innerPort, fromWeb},
		{"a port of two, and an address of one", three, "", inner, fromInner},
		{"a port of two", three, "", "a:" + innerPort, `url "http://a:` + innerPort + `/reports/1": several ` +
			"listeners for HTTP have port " + innerPort + ", and some routes are not for all listeners (" + known +
			", second at 127.0.0.2:" + innerPort + "): write the port of one, or name the listener"},
		{"a port of none", some, "", "a:1", `url "http://a:1/reports/1": no listener for HTTP has port 1, and some ` +
			"routes are not for all listeners (" + known + "): write the port of one, or name the listener"},
		{"the only one, by its port", only, "", "a:" + innerPort, fromInner},
		{"the only one, without a port", only, "", "a", fromInner},
		{"not the port of the only one", only, "", "a:1",
			`url "http://a:1/reports/1": no listener for HTTP has port 1, ` +
				"and some routes are not for all listeners (there are inner at " + inner +
				"): write the port of one, or name " +
				"the listener"},
		{"none said", some, "", "a",
			"listener: say where the request comes in, by its name or by the port in the url: " +
				"some routes are not for all listeners (" + known + ")"},
		{"no such listener", plain, "wbe", "a", `listener "wbe": no listener for HTTP has that name (` + known + ")"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, row.document)
			got := ""
			if e, err := g.server.Explain(route.ExplainRequest{URL: "http://" + row.host + "/reports/1",
				Listener: row.listener}, config.Standard()); err != nil {
				got = err.Error()
			} else {
				got = strings.TrimSpace(e.Listener + " " + told(e))
			}
			if got != strings.TrimSpace(row.want) {
				t.Errorf("%s\nwant\n%s", got, row.want)
			}
		})
	}
}

// Of thousands of routes those are listed that came nearest.
func TestExplainListsTheNearest(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("clusters:\n- {name: app, endpoints: [\"127.0.0.1:9001\"]}\nroutes:\n")
	for i := range 3000 {
		fmt.Fprintf(&doc, "- {name: far%d, match: {host: h%d.example.com}, cluster: app}\n", i, i)
	}
	doc.WriteString("- {name: near, match: {host: a, path_prefix: /near}, cluster: app}\n- {name: post, match: " +
		"{methods: [POST]}, cluster: app}\n- {name: last, cluster: app}\n")
	e, err := start(t, doc.String()).server.Explain(route.ExplainRequest{URL: "http://a/"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	if e.Route.Name != "last" || len(e.Others) != 20 || e.More != 3002-20 {
		t.Errorf("%s won, %d others, %d more, want last, 20, %d", e.Route.Name, len(e.Others), e.More, 3002-20)
	}
	if e.Others[0].Name != "post" || e.Others[1].Name != "near" || e.Others[2].Name != "far1000" {
		t.Errorf("others begin with %v", e.Others[:3])
	}
}

// What a request would meet behind its route.
func TestExplainBehindTheRoute(t *testing.T) {
	g := start(t, `
timeouts: {connect: 1s}
clusters:
- {name: a, endpoints: [{address: "127.0.0.1:9001", weight: 3}, {address: "127.0.0.1:9002", weight: 0}]}
- {name: b, consul: {service: b}, slow_start: 1m, passive_health: {statuses: ["429"]}}
routes:
- {name: limited, match: {path: /limited}, cluster: a, rate_limit: {rate: 0.5, key: "header:X-Key"}}
- {name: split, match: {path_prefix: /split}, clusters: [{name: a, weight: 95}, {name: b, weight: 5}], timeouts: {request: 1m}, retries: {attempts: 3, on: [reset, "503"], per_try_timeout: 2s}}
- {name: plain, cluster: a}
`)
	ask := func(path string, fields ...string) *route.Explanation {
		e, err := g.server.Explain(route.ExplainRequest{URL: "http://a" + path, Fields: fields}, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	settings := func(e *route.Explanation) string {
		var all []string
		for _, s := range e.Timeouts {
			all = append(all, s.Name+" "+s.Value+" "+s.From)
		}
		return fmt.Sprintf("%s; %d %v %s %s", strings.Join(all, ", "), e.Retries.Attempts, e.Retries.On,
			e.Retries.PerTryTimeout, e.Retries.From)
	}
	split := ask("/split")
	if len(split.Clusters) != 2 || split.Clusters[0].Name != "a" || split.Clusters[0].Share != 95 ||
		split.Clusters[1].Name != "b" || split.Clusters[1].Share != 5 {
		t.Fatalf("clusters %+v, want a 95 and b 5", split.Clusters)
	}
	if a, b := &split.Clusters[0], &split.Clusters[1]; a.SlowStart+a.Failures != "" || b.SlowStart != "1m" ||
		b.Failures != "failures are 429" || split.RateLimit != "" {
		t.Errorf("%q %q %q %q %q, want what the document says of b", a.SlowStart, a.Failures, b.SlowStart, b.Failures,
			split.RateLimit)
	}
	if got := ask("/limited").RateLimit; got != "0.5 a second, 1 at once, for each header:x-key" {
		t.Errorf("rate limit %q", got)
	}
	endpoints := split.Clusters[0].Endpoints
	if len(endpoints) != 2 || endpoints[0].Unused != "" || endpoints[1].Unused != "weight 0" ||
		len(split.Clusters[1].Endpoints) != 0 {
		t.Errorf("endpoints %+v, want one that is used and one that is not", split.Clusters)
	}
	for _, row := range []struct {
		e    *route.Explanation
		want string
	}{
		{split, "read 15s default, connect 1s document, upstream 10s default, request 1m route, response_idle 0s " +
			"default, write 30s default, tcp_idle 5m default; 3 [reset 503] 2s route"},
		{ask("/"), "read 15s default, connect 1s document, upstream 10s default, request 0s default, response_idle " +
			"0s default, write 30s default, tcp_idle 5m default; 4 [connect-failure] 0s default"},
		{ask("/", "Content-Type: application/grpc"),
			"read 15s default, connect 1s document, upstream 0s default, request 0s default, response_idle 0s " +
				"default, write 30s default, tcp_idle 5m default; 4 [connect-failure] 0s default"},
	} {
		if got := settings(row.e); got != row.want {
			t.Errorf("%s\nwant\n%s", got, row.want)
		}
	}
}
