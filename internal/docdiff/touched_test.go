package docdiff

import (
	"fmt"
	"strings"
	"testing"
)

const touchedBase = `
listeners:
  - {name: web, address: ":8080"}
  - {name: db, address: ":3306", protocol: tcp, cluster: db}
routes:
  - {name: shop, match: {path_prefix: /shop}, cluster: shop}
  - {name: api, match: {path_prefix: /api}, cluster: api}
  - {name: closed, match: {path_prefix: /closed}, respond: {status: 503}}
clusters:
  - {name: shop, endpoints: ["10.0.0.1:80"], failover: [spare]}
  - {name: spare, endpoints: ["10.0.0.9:80"]}
  - {name: api, consul: {service: api}}
  - {name: db, endpoints: ["10.0.0.3:3306"]}
`

func TestFindTouched(t *testing.T) {
	for _, row := range []struct {
		name, old, new string // what is replaced, and by what
		want           string
	}{
		{"nothing", "", "", ""},
		{"a comment", "clusters:", "# more\nclusters:", ""},
		{"a cluster", "10.0.0.1:80", "10.0.0.2:80", "shop of shop"},
		{"one that stands in", "10.0.0.9:80", "10.0.0.8:80", "shop of shop"},
		{"the service of a cluster", "service: api", "service: api, tag: v2", "api of api"},
		{"a route", "cluster: api}\n", "cluster: shop}\n", "api of api"},
		{"its name alone", "name: api, match", "name: v1, match", ""},
		{"a cluster by another name", "10.0.0.3:3306", "10.0.0.4:3306", "listener db of db"},
		{"a match", "/api", "/v1", "api of api elsewhere"},
		{"a new route", "routes:\n", "routes:\n  - {name: new, match: {path_prefix: /new}, cluster: api}\n", "new"},
		{"a route less", "  - {name: api, match: {path_prefix: /api}, cluster: api}\n", "", ""},
		{"a setting of all", "routes:", "timeouts: {connect: 1s}\nroutes:",
			"shop of shop, api of api, listener db of db"},
		{"headers of all", "routes:", "request_headers: {set: {x-a: b}}\nroutes:", "shop of shop, api of api"},
		{"the access log", "routes:", "access_log: {enabled: false}\nroutes:", ""},
		{"the port of a listener", ":3306", ":3307", "listener db of db"},
		{"a listener more", "routes:", "  - {name: more, address: \":3308\", protocol: tcp, cluster: db}\nroutes:",
			"listener more"},
		{"an HTTP listener", ":8080", ":8081", ""},
		{"the order", "  - {name: shop, match: {path_prefix: /shop}, cluster: shop}\n" +
			"  - {name: api, match: {path_prefix: /api}, cluster: api}\n",
			"  - {name: api, match: {path_prefix: /api}, cluster: api}\n" +
				"  - {name: shop, match: {path_prefix: /shop}, cluster: shop}\n",
			"api of api, shop of shop, closed of closed"},
	} {
		before := decode(t, touchedBase)
		next := decode(t, strings.Replace(touchedBase, row.old, row.new, 1))
		got := FindTouched(before, next)
		var all []string
		for _, r := range got.Routes {
			text := next.Routes[r.Next].Name
			if r.Before >= 0 {
				text += " of " + before.Routes[r.Before].Name
				if !r.SameMatch {
					text += " elsewhere"
				}
			}
			all = append(all, text)
		}
		for _, l := range got.Listeners {
			text := "listener " + next.Listeners[l.Next].Name
			if l.Before >= 0 {
				text += fmt.Sprint(" of ", before.Listeners[l.Before].Name)
			}
			all = append(all, text)
		}
		if text := strings.Join(all, ", "); text != row.want {
			t.Errorf("%s touches %q, want %q", row.name, text, row.want)
		}
	}
}
