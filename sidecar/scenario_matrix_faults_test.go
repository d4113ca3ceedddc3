package sidecar_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// deadWithin is how soon a connection that died without a sign is left, where new ones work.
const deadWithin = 5 * time.Second * slowness

// proxiedFaults are those of the way to a client agent that is well. All of them are made at the same time.
func proxiedFaults(t *testing.T, m *matrix) {
	server := testserver.Consul(t, testserver.DenyByDefault)
	agent := testserver.ConsulAgent(t, server)
	s := &store{consul: server}
	all := slicesOf(connectionFaults(), responseFaults(), rightFaults(t), documentFaults(), otherCluster(t))
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(func() { t.Run(f.name, func(t *testing.T) { f.run(t, m, s, agent.Addr()) }) })
	}
	running.Go(func() { t.Run("agent", func(t *testing.T) { agentFaults(t, m, s) }) })
	running.Wait()
}

func slicesOf(all ...[]fault) (flat []fault) {
	for _, some := range all {
		flat = append(flat, some...)
	}
	return flat
}

func connectionFaults() []fault {
	refuse := func(b *subject) {
		b.wire.set(func(w *way) { w.refuses = true })
		b.wire.breakAll()
	}
	lose := func(b *subject) {
		b.wire.set(func(w *way) { w.loses = true })
		b.wire.loseAll()
	}
	all := []fault{{
		name: "dead connections, new ones work", within: deadWithin,
		begin: func(b *subject) { b.wire.loseAll() },
	}}
	for _, lasts := range []time.Duration{5 * time.Second, 12 * time.Second, 20 * time.Second} {
		all = append(all, fault{name: fmt.Sprint("refused ", lasts), lasts: lasts, begin: refuse})
	}
	for _, lasts := range []time.Duration{3 * time.Second, 6 * time.Second, 15 * time.Second} {
		all = append(all, fault{name: fmt.Sprint("silence ", lasts), lasts: lasts, begin: lose})
	}
	ended := make(chan struct{})
	return append(all, fault{
		name: "resets each second", lasts: 6 * time.Second,
		begin: func(b *subject) {
			go func() { // ends with the fault
				for {
					b.wire.breakAll()
					select {
					case <-ended:
						return
					case <-time.After(time.Second):
					}
				}
			}()
		},
		end: func(*subject) { close(ended) },
	})
}

// responseFaults are those of single responses, also of those that are awaited when the fault begins.
func responseFaults() []fault {
	below := func(path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, path) }
	}
	stale := func(r *http.Request) bool { return below("/v1/health/")(r) && r.URL.Query().Has("stale") }
	write := func(r *http.Request) bool { return r.Method == http.MethodPut } // of what the gateway says
	var all []fault
	for _, row := range []struct {
		name  string
		lasts time.Duration
		rule  rule
	}{
		{"writes hang", 5 * time.Second, rule{only: write, reply: hangs}},
		{"writes get status 403", 5 * time.Second, rule{only: write, reply: says(403, "Permission denied")}},
		{"writes get status 429", 5 * time.Second, rule{only: write, reply: says(429, "too many requests")}},
		{"documents hang for long", 16 * time.Second, rule{only: below("/v1/kv/"), reply: hangs}},
		{"instances hang for long", 16 * time.Second, rule{only: below("/v1/health/"), reply: hangs}},
		{"status 500", 5 * time.Second, rule{reply: says(500, "rpc error making call: No cluster leader")}},
		{"status 500 for long", 16 * time.Second, rule{reply: says(500, "rpc error making call: No cluster leader")}},
		{"status 403", 8 * time.Second, rule{reply: says(403, "Permission denied")}},
		{"status 429", 8 * time.Second, rule{reply: says(429, "Your IP is issuing too many concurrent connections")}},
		{"redirects", 5 * time.Second, rule{reply: says(302, "")}},
		{"a page of HTML", 5 * time.Second, rule{reply: says(200, "<html>")}},
		{"half a body, then silence", 8 * time.Second,
			rule{alter: func(w http.ResponseWriter, r *http.Request, a *reply) {
				a.send(w, len(a.body)/2)
				hangs(w, r)
			}}},
		{"half a body, then the end", 5 * time.Second,
			rule{alter: func(w http.ResponseWriter, _ *http.Request, a *reply) {
				a.send(w, len(a.body)/2)
				panic(http.ErrAbortHandler)
			}}},
		{"slow by 3s", 9 * time.Second, rule{alter: late(3 * time.Second)}},
		{"filtered lists", 6 * time.Second, rule{only: below("/v1/health/"), alter: edits(func(a *reply) {
			a.header.Set("X-Consul-Results-Filtered-By-ACLs", "true")
		})}},
		{"stale lists that are empty", 6 * time.Second, rule{only: stale, alter: edits(func(a *reply) {
			a.body = []byte("[]")
		})}},
		{"stale lists that lack an instance", 6 * time.Second, rule{only: stale, alter: edits(func(a *reply) {
			if _, after, found := bytes.Cut(a.body, []byte(`},{"Node":`)); found {
				a.body = append([]byte(`[{"Node":`), after...)
			}
		})}},
	} {
		all = append(all, fault{name: row.name, lasts: row.lasts, begin: func(b *subject) {
			b.wire.set(func(w *way) { w.rule = &row.rule })
		}})
	}
	for name, path := range map[string]string{"documents hang": "/v1/kv/", "instances hang": "/v1/health/"} {
		all = append(all, fault{
			// All else responds, so nothing but a look finds it out, be it over by then or not.
			name: name, lasts: 6 * time.Second, within: noticedWithin,
			begin: func(b *subject) { b.wire.set(func(w *way) { w.rule = &rule{only: below(path), reply: hangs} }) },
		})
	}
	return append(all, fault{name: "an index of the future", within: noticedWithin, begin: futureIndex})
}

// futureIndex has both watches wait for an index that Consul never reaches.
func futureIndex(b *subject) {
	const future = "1099511627776"
	var waiting atomic.Int64
	b.wire.set(func(w *way) {
		w.rule = &rule{
			only: func(r *http.Request) bool {
				index := r.URL.Query().Get("index")
				if index == future {
					waiting.Add(1)
				}
				return index != "" && index != future
			},
			alter: edits(func(a *reply) { a.header.Set("X-Consul-Index", future) }),
		}
	})
	b.store.do(func(c *testserver.ConsulServer) {
		c.KVPut(b.key, b.document(b.service, "")+"# the same\n")
		b.register(c, 2)
	})
	testserver.WaitFor(b.t, longestWait, "both watches to wait for the future",
		func() bool { return waiting.Load() >= 2 })
	b.wire.set(func(w *way) { w.rule = nil })
}

// otherCluster are the ways in which an address comes to lead to another Consul.
func otherCluster(t *testing.T) []fault {
	other := &store{consul: testserver.Consul(t, testserver.DenyByDefault)}
	lead := func(b *subject) {
		other.do(func(c *testserver.ConsulServer) {
			b.register(c, 1)
			b.register(c, 2)
			c.KVPut(b.key, b.document(b.service, marked))
		})
		b.wire.set(func(w *way) { w.target = other.consul.Addr() })
	}
	return []fault{
		{name: "another cluster", begin: func(b *subject) { lead(b); b.wire.breakAll() }, change: func(*subject) {}},
		{name: "another cluster, in silence", begin: lead, change: func(*subject) {}, within: noticedWithin},
	}
}

// agentFaults are those of a client agent, one after the other.
func agentFaults(t *testing.T, m *matrix, s *store) {
	agent := testserver.ConsulAgent(t, s.consul)
	for _, f := range []fault{
		{
			name: "agent killed", lasts: 6 * time.Second,
			begin: func(*subject) { agent.Stop() }, end: func(*subject) { agent.Start() },
		},
		{
			name: "agent frozen", lasts: 6 * time.Second,
			begin: func(*subject) { agent.Pause() }, end: func(*subject) { agent.Resume() },
		},
	} {
		t.Run(f.name, func(t *testing.T) { f.run(t, m, s, agent.Addr()) })
	}
}

// serverFaults are those of the server behind a client agent, one after the other.
func serverFaults(t *testing.T, m *matrix) {
	server := testserver.Consul(t, testserver.DenyByDefault)
	agent := testserver.ConsulAgent(t, server)
	s := &store{consul: server}
	for i := range 20 { // a server that is rebuilt counts from a lower index
		server.KVPut("filler/"+strconv.Itoa(i), "x")
	}
	for _, f := range []fault{
		{
			name: "server killed", lasts: 6 * time.Second,
			begin: func(*subject) { server.Stop() }, change: func(*subject) {},
			end:  func(b *subject) { server.Start(); b.change() },
			back: func(b *subject) { b.told(agent) },
		},
		{
			name: "server frozen", lasts: 6 * time.Second,
			begin: func(*subject) { server.Pause() }, change: func(*subject) {},
			end:  func(b *subject) { server.Resume(); b.change() },
			back: func(b *subject) { b.told(agent) },
		},
		{
			name: "a snapshot restored", within: noticedWithin,
			begin: func(b *subject) {
				snapshot := server.Snapshot()
				b.change()
				testserver.WaitFor(b.t, longestWait, "what is taken back afterwards", b.served)
				server.Restore(snapshot)
			},
			change: func(*subject) {},
			served: func(b *subject) bool { return !b.marked() && b.has("c", 0, 1) },
		},
		{
			name: "server rebuilt behind its agent", within: noticedWithin,
			begin: func(b *subject) {
				server.Stop()
				server.Wipe()
				server.Start()
				agent.Join(server)
				b.register(server, 1)
				b.change()
			},
			change: func(*subject) {},
			back:   func(b *subject) { b.told(agent) },
		},
	} {
		t.Run(f.name, func(t *testing.T) { f.run(t, m, s, agent.Addr()) })
	}
}
