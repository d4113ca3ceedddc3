package sidecar_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// rightFaults are those of ACLs.
func rightFaults(t *testing.T) []fault {
	rules := func(b *subject, more string) string {
		return fmt.Sprintf("key_prefix \"gateway/%s/\" { policy = \"read\" }\n", b.service) +
			"service_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }\n" + more
	}
	own := func(b *subject) env {
		b.store.do(func(c *testserver.ConsulServer) { b.token = c.NewToken(rules(b, "")) })
		return env{"CONSUL_HTTP_TOKEN": b.token.Secret}
	}
	set := func(more string) func(*subject) {
		return func(b *subject) {
			b.store.do(func(c *testserver.ConsulServer) {
				c.SetRules(b.token, rules(b, strings.ReplaceAll(more, "SERVICE", b.service)))
			})
		}
	}
	var all []fault
	for _, row := range []struct{ name, lost string }{
		{"no right to the key", `key "gateway/SERVICE/config" { policy = "deny" }`},
		{"no right to the service", `service "SERVICE" { policy = "deny" }`},
		{"no right to one node", `node "SERVICE-0" { policy = "deny" }`},
	} {
		all = append(all, fault{name: row.name, lasts: 8 * time.Second, token: own, begin: set(row.lost), end: set("")})
	}
	return append(all, fault{
		name: "a token that is deleted, another in its file", lasts: 8 * time.Second,
		token: func(b *subject) env {
			b.file = t.TempDir() + "/token"
			write(t, b.file, own(b)["CONSUL_HTTP_TOKEN"])
			return env{"CONSUL_HTTP_TOKEN": unset, "CONSUL_HTTP_TOKEN_FILE": b.file}
		},
		begin: func(b *subject) { b.store.do(func(c *testserver.ConsulServer) { c.DeleteToken(b.token) }) },
		end:   func(b *subject) { write(t, b.file, b.store.consul.Token()) },
	})
}

// documentFaults are documents that would take the endpoints from what serves.
func documentFaults() []fault {
	void := func(b *subject) string { return b.service + "-void" }
	put := func(b *subject) {
		b.store.do(func(c *testserver.ConsulServer) { c.KVPut(b.key, b.document(void(b), "")) })
	}
	arrive := func(b *subject) { b.store.do(func(c *testserver.ConsulServer) { b.registerAs(c, void(b), 2) }) }
	arrived := func(b *subject) bool { return b.has("c", 2) }
	all := []fault{{
		name: "a document that names an unknown service", lasts: 5 * time.Second,
		begin: put, change: func(*subject) {}, end: arrive, served: arrived,
	}}
	for _, row := range []struct {
		name string
		rule rule
	}{
		{"fails", rule{reply: says(500, "rpc error making call: No cluster leader")}},
		{"hangs", rule{reply: hangs}},
		{"is slow", rule{alter: late(4 * time.Second)}},
		{"is denied", rule{reply: says(403, "Permission denied")}},
	} {
		all = append(all, fault{
			name: "a document whose service " + row.name, lasts: 6 * time.Second,
			begin: func(b *subject) {
				row.rule.only = func(r *http.Request) bool { return r.URL.Path == "/v1/health/service/"+void(b) }
				b.wire.set(func(w *way) { w.rule = &row.rule })
				arrive(b)
				put(b)
			},
			change: func(*subject) {}, served: arrived,
		})
	}
	lost := func(b *subject, hold string) {
		b.store.do(func(c *testserver.ConsulServer) {
			c.KVPut(b.key, strings.Replace(b.document(b.service, marked), "consul: {", "consul: {empty_hold: "+hold+
				", ", 1))
		})
		testserver.WaitFor(b.t, longestWait, "another hold", b.marked)
		b.store.do(func(c *testserver.ConsulServer) {
			c.DeregisterNode(b.service + "-0")
			c.DeregisterNode(b.service + "-1")
		})
		b.wait("the last endpoints to be held", func(s status) bool {
			held := 0
			for _, c := range s.Clusters {
				for _, e := range c.Endpoints {
					held += strings.Count(e.Consul.State, "deregistered")
				}
			}
			return held > 0 // both, or the second when the first was seen to go
		})
	}
	return append(all,
		fault{
			name: "a cluster renamed while its endpoints are held", lasts: 3 * time.Second,
			begin: func(b *subject) { lost(b, "20s") },
			change: func(b *subject) {
				b.store.do(func(c *testserver.ConsulServer) {
					c.KVPut(b.key, strings.NewReplacer("name: c,", "name: renamed,", "cluster: c}",
						"cluster: renamed}").
						Replace(b.document(b.service, marked)))
				})
			},
			served: func(b *subject) bool { return b.has("renamed", 0, 1) || b.has("renamed", 1) },
		},
		fault{
			name: "a hold that ends while Consul is away", lasts: 8 * time.Second,
			begin: func(b *subject) {
				lost(b, "3s")
				b.wire.set(func(w *way) { w.refuses = true })
				b.wire.breakAll()
			},
			change: func(b *subject) { b.store.do(func(c *testserver.ConsulServer) { b.register(c, 1) }) },
			served: func(b *subject) bool { return b.has("c", 1) },
		},
	)
}
