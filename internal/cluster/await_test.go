package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// awaiting is a set with clusters of the catalog, all of one revision, of which nothing is known yet.
type awaiting struct {
	t   *testing.T
	set *Set
	of  map[string]*Cluster
}

func newAwaiting(t *testing.T, edit func(*config.Cluster), names ...string) *awaiting {
	a := &awaiting{t: t, set: NewSet(Options{})}
	a.revision(edit, names...)
	return a
}

// revision puts clusters into service, which follow the service of their name unless edit says another.
func (a *awaiting) revision(edit func(*config.Cluster), names ...string) {
	a.t.Helper()
	a.of = map[string]*Cluster{}
	var all []*Cluster
	for _, name := range names {
		one := cfg("")
		one.Name, one.Consul = name, config.Consul{Service: name}
		if edit != nil {
			edit(&one)
		}
		c, err := a.set.Prepare(new(one))
		if err != nil {
			a.t.Fatal(err)
		}
		a.of[name] = c
		all = append(all, c)
	}
	a.set.Retire(all)
}

// found is what came of a request, and how long it took.
type found struct {
	address string
	err     error
	took    time.Duration
}

// request picks as the planes do: within a time, and waiting where nothing is known.
func request(ctx context.Context, c *Cluster, within time.Duration, poll func() error) found {
	begun := time.Now()
	for known := false; ; {
		e, err := c.Pick(nil)
		if err == nil {
			e.Done(Success)
			return found{e.Address(), nil, time.Since(begun)}
		}
		if known || !errors.Is(err, ErrNoEndpoint) {
			return found{"", err, time.Since(begun)}
		}
		if known, err = c.Await(ctx, within-time.Since(begun), poll); err != nil {
			return found{"", err, time.Since(begun)}
		}
	}
}

// begin makes a request of a second, in a goroutine, and returns when it waits.
func (a *awaiting) begin(name string) <-chan found {
	a.t.Helper()
	c, out := a.of[name], make(chan found, 1)
	go func() { out <- request(a.t.Context(), c, time.Second, patient) }()
	synctest.Wait()
	return out
}

func (a *awaiting) want(out <-chan found, want found) {
	a.t.Helper()
	synctest.Wait()
	select {
	case got := <-out:
		if got.address != want.address || !errors.Is(got.err, want.err) || got.took != want.took {
			a.t.Errorf("got %+v, want %+v", got, want)
		}
	default:
		a.t.Error("the request still waits")
	}
}

// nobodyWaits fails the test if something of a request that waited is left.
func (a *awaiting) nobodyWaits() {
	a.t.Helper()
	a.set.mu.Lock()
	defer a.set.mu.Unlock()
	if n := len(a.set.awaited); n > 0 {
		a.t.Errorf("%d clusters are still waited for", n)
	}
}

// What comes to a cluster of which nothing is known, and what becomes of its requests.
func TestAwait(t *testing.T) {
	static := func(c *config.Cluster) { c.Endpoints = []config.Endpoint{{Address: "s", Weight: 1}} }
	none := func(c *config.Cluster) { c.Consul = config.Consul{} }
	after := func(d time.Duration, do func(*awaiting)) func(*awaiting) {
		return func(a *awaiting) { <-time.After(d); do(a) } // on the clock of synctest
	}
	for _, tt := range []struct {
		name string
		edit func(*config.Cluster)
		then func(*awaiting)
		want found
	}{
		{"an endpoint", nil,
			after(300*time.Millisecond, func(a *awaiting) { a.of["a"].SetEndpoints(discovered("a1")) }),
			found{"a1", nil, 300 * time.Millisecond}},
		{"an endpoint that is critical", nil, func(a *awaiting) { a.of["a"].SetEndpoints(discovered("a1:critical")) },
			found{"a1", nil, 0}},
		{"none", nil, after(300*time.Millisecond, func(a *awaiting) { a.of["a"].SetEndpoints(nil) }),
			found{"", ErrNoEndpoint, 300 * time.Millisecond}},
		{"one in maintenance", nil, func(a *awaiting) { a.of["a"].SetEndpoints(discovered("a1:maintenance")) },
			found{"", ErrNoEndpoint, 0}},
		{"nothing", nil, after(time.Second, func(*awaiting) {}), found{"", ErrUnknown, time.Second}},
		{"what was kept", nil, func(a *awaiting) { a.of["a"].RestoreEndpoints(discovered("a1"), 0) },
			found{"a1", nil, 0}},
		{"nothing, with an endpoint of the document", static, func(*awaiting) {}, found{"s", nil, 0}},
		{"nothing, without the catalog", none, func(*awaiting) {}, found{"", ErrNoEndpoint, 0}},
		{"what another cluster is told", nil, after(time.Second, func(a *awaiting) {
			a.of["b"].SetEndpoints(discovered("b1"))
		}), found{"", ErrUnknown, time.Second}},
		{"a revision with the same cluster, then an endpoint", nil, func(a *awaiting) {
			a.revision(nil, "a")
			a.of["a"].SetEndpoints(discovered("a1"))
		}, found{"a1", nil, 0}},
		{"a revision that reaches it in another way, then an endpoint", nil, func(a *awaiting) {
			a.revision(func(c *config.Cluster) { c.Protocol = config.ProtocolHTTP2 }, "a")
			a.of["a"].SetEndpoints(discovered("a1"))
		}, found{"a1", nil, 0}},
		{"a revision with another filter, then an endpoint", nil, func(a *awaiting) {
			a.revision(func(c *config.Cluster) { c.Consul.OnlyPassing = true }, "a")
			a.of["a"].SetEndpoints(discovered("a1"))
		}, found{"a1", nil, 0}},
		{"a revision with another name for it, then an endpoint", nil, func(a *awaiting) {
			a.revision(func(c *config.Cluster) { c.Consul.Service = "a" }, "z")
			a.of["z"].SetEndpoints(discovered("a1"))
		}, found{"a1", nil, 0}},
		{"a revision with another name for it, then none", nil, func(a *awaiting) {
			a.revision(func(c *config.Cluster) { c.Consul.Service = "a" }, "z")
			a.of["z"].SetEndpoints(nil)
		}, found{"", ErrNoEndpoint, 0}},
		{"a revision without it", nil, func(a *awaiting) { a.revision(nil, "b") }, found{"", ErrNoEndpoint, 0}},
		{"the end", nil, func(a *awaiting) { a.set.Retire(nil) }, found{"", ErrNoEndpoint, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAwaiting(t, tt.edit, "a", "b")
				out := a.begin("a")
				tt.then(a)
				a.want(out, tt.want)
				a.nobodyWaits()
			})
		})
	}
}

// A cluster that is known to be empty is not waited for, whatever was there before.
func TestNoAwaitWhereNothingIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAwaiting(t, nil, "a")
		for _, say := range []string{"", "a1", ""} {
			a.of["a"].SetEndpoints(discovered(say))
			want := found{say, nil, 0}
			if say == "" {
				want.err = ErrNoEndpoint
			}
			a.want(a.begin("a"), want)
			a.revision(nil, "a") // it knows what the one before it knew
		}
	})
}

// The requests of a cluster with others that stand in wait for whichever is known first.
func TestAwaitFailover(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(*awaiting)
		want found
	}{
		{"the cluster itself", func(a *awaiting) { a.of["a"].SetEndpoints(discovered("a1")) }, found{"a1", nil, 0}},
		{"one that stands in", func(a *awaiting) { a.of["c"].SetEndpoints(discovered("c1")) }, found{"c1", nil, 0}},
		{"the second one, the others are empty", func(a *awaiting) {
			a.of["a"].SetEndpoints(nil)
			a.of["b"].SetEndpoints(nil)
			synctest.Wait()
			a.of["c"].SetEndpoints(discovered("c1"))
		}, found{"c1", nil, 0}},
		{"all are empty", func(a *awaiting) {
			for _, c := range a.of {
				c.SetEndpoints(nil)
				synctest.Wait()
			}
		}, found{"", ErrNoEndpoint, 0}},
		{"one is not known", func(a *awaiting) {
			a.of["a"].SetEndpoints(nil)
			a.of["c"].SetEndpoints(nil)
			<-time.After(time.Second)
		}, found{"", ErrUnknown, time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAwaiting(t, nil, "a", "b", "c")
				StandIn(a.of, map[string][]string{"a": {"b", "c"}})
				first := a.of["a"]
				out := make(chan found, 1)
				go func() {
					begun := time.Now()
					for known := false; ; {
						to := append([]*Cluster{first}, first.StandIns()...)[first.Serving()]
						e, err := to.Pick(nil)
						if err == nil {
							e.Done(Success)
							out <- found{e.Address(), nil, time.Since(begun)}
							return
						}
						if !known {
							known, err = first.Await(t.Context(), time.Second-time.Since(begun), patient)
							if err == nil {
								continue
							}
						}
						out <- found{"", err, time.Since(begun)}
						return
					}
				}()
				synctest.Wait()
				if !first.Status().Unknown || first.Status().Awaiting != 1 {
					t.Errorf("status = %+v, want one request that waits", first.Status())
				}
				tt.then(a)
				a.want(out, tt.want)
				a.nobodyWaits()
			})
		})
	}
}

// What else ends the wait.
func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAwaiting(t, func(c *config.Cluster) { c.Limits.MaxConnections, c.Limits.MaxPending = 2, 1 }, "a")
		begun := time.Now()
		gone := func() error {
			if time.Since(begun) > 250*time.Millisecond {
				return errGone
			}
			return nil
		}
		ctx, cut := context.WithCancel(t.Context())
		left, ended := make(chan found, 1), make(chan found, 1)
		go func() { left <- request(t.Context(), a.of["a"], time.Second, gone) }()
		go func() { ended <- request(ctx, a.of["a"], time.Second, patient) }()
		late := a.begin("a")
		if s := a.of["a"].Status(); s.Awaiting != 3 || !s.Unknown {
			t.Errorf("status = %+v, want three requests that wait", s)
		}
		a.want(a.begin("a"), found{"", ErrOverflow, 0}) // two could connect, and one wait for that
		if n := a.of["a"].Telemetry().Overflow.Load(); n != 1 {
			t.Errorf("overflow = %d, want 1", n)
		}
		<-time.After(300 * time.Millisecond)
		a.want(left, found{"", errGone, 300 * time.Millisecond})
		cut()
		a.want(ended, found{"", context.Canceled, 300 * time.Millisecond})
		<-time.After(700 * time.Millisecond)
		a.want(late, found{"", ErrUnknown, time.Second})
		a.nobodyWaits()
		if s := a.of["a"].Status(); s.Awaiting != 0 || !s.Unknown {
			t.Errorf("status = %+v, want nobody to wait", s)
		}
	})
}

// What a cluster that is in service no more takes of the catalog is given up with its last request, and forgotten.
func TestAwaitLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAwaiting(t, nil, "a")
		out := a.begin("a")
		before := a.of["a"]
		a.revision(func(c *config.Cluster) { c.Protocol = config.ProtocolHTTP2 }, "a")
		a.of["a"].SetEndpoints(discovered("a1"))
		a.want(out, found{"a1", nil, 0})
		e, err := before.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := new(conn)
		e.Put(c, 0)
		e.Done(Success)
		if c.closed != 1 {
			t.Error("a connection is kept for a cluster that is in service no more")
		}

		a.revision(nil, "a", "b")
		out = a.begin("b")
		a.revision(func(c *config.Cluster) { c.Consul.Service = "b" }, "z")
		a.of["z"].SetEndpoints(discovered("b1"))
		a.want(out, found{"b1", nil, 0})
		<-time.After(rememberFor + time.Second)
		a.set.Tick()
		a.set.mu.Lock()
		defer a.set.mu.Unlock()
		for name, g := range a.set.groups {
			live, known := len(g.live), len(g.healths) // +checklocksignore: one set
			if live == 0 || known != 1 {
				t.Errorf("group %s has %d clusters and remembers %d endpoints", name, live, known)
			}
		}
	})
}
