package sidecar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// tried is an applier whose source is a file, with what happens told to it.
type tried struct {
	*applier
	t *testing.T
}

func newTried(t *testing.T) tried {
	a := newApplier(t)
	a.boot.Source = SourceFile
	t.Cleanup(a.endProbation)
	return tried{a, t}
}

// gets has the source deliver a document, whose text is its hash.
func (a tried) gets(text string, forced ...time.Time) {
	a.t.Helper()
	d := discovery.Document{Source: "file", Hash: text, Parts: []config.Part{{Data: []byte(text)}}}
	if len(forced) > 0 {
		d.Forced = forced[0]
	}
	if err := a.take(a.t.Context(), d); err != nil {
		a.t.Fatal(err)
	}
}

// told is what the status has of the revision.
func (a tried) told() RevisionStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now.revisionStatus()
}

// serves tells that the document of that text does.
func (a tried) serves(text string) {
	a.t.Helper()
	if a.active.from.Hash != text {
		a.t.Fatalf("serves %q, want %q", a.active.from.Hash, text)
	}
}

// answers counts requests of a route, all of which end with flag; of "", those without a route.
func (a tried) answers(route string, n int, flag telemetry.Flag) {
	if name, is := strings.CutPrefix(route, "listener "); is {
		a.connects(name, n, flag)
		return
	}
	r := a.registry.Route(route)
	i := slices.IndexFunc(a.active.doc.Routes, func(r config.Route) bool { return r.Name == route })
	for range n {
		r.Record(telemetry.MethodGet, 502, telemetry.SchemeHTTP, time.Millisecond)
		r.Faults.Count(flag)
		if i >= 0 {
			a.active.table.Faults(i).Count(flag)
		}
	}
}

// connects counts connections of an L4 listener, all of which end with flag.
func (a tried) connects(listener string, n int, flag telemetry.Flag) {
	l := a.registry.Listener(listener, telemetry.L4)
	i := slices.IndexFunc(a.active.doc.Listeners, func(l config.Listener) bool { return l.Name == listener })
	for range n {
		l.Accepted.Inc()
		l.Faults.Count(flag)
		a.active.connections[i].Count(flag)
	}
}

// passes lets time pass in which requests of a route, ten each look, end with flag.
func (a tried) passes(from, to time.Duration, route string, flag telemetry.Flag) {
	if a.probation == nil {
		return
	}
	begun := a.probation.begun
	for at := from; at <= to && a.probation != nil; at += lookEvery {
		a.checkProbation(a.t.Context(), begun.Add(at))
		a.answers(route, 10, flag)
	}
}

// shop is a document with a route "shop", for everything, to an endpoint of a port.
func shop(port int, more string) string {
	return fmt.Sprintf("routes: [{name: shop, cluster: shop}%s]\nclusters: [{name: shop, "+
		"endpoints: [\"127.0.0.1:%d\"]}]\n",
		more, port)
}

const alsoBasket = ", {name: basket, match: {path_prefix: /basket}, cluster: shop}"

func TestProbation(t *testing.T) {
	mayBeEmpty := func(document string) string {
		return strings.Replace(document, "endpoints:", "allow_empty: true, endpoints:", 1)
	}
	address := testserver.Addr(t)
	names := func(port int, more string) string {
		return fmt.Sprintf("listeners: [{name: db, address: %q, protocol: tls, sni: [{host: a.test, cluster: db}%s]}]"+
			"\nclusters: [{name: db, endpoints: [\"127.0.0.1:%d\"]}]\n", address, more, port)
	}
	const alsoB = ", {host: b.test, cluster: db}"
	for _, row := range []struct {
		name        string
		first, next string
		before      []string // routes with requests that succeed, before
		route       string   // of the requests since
		flag        telemetry.Flag
		back        bool
	}{
		{"a changed route fails", shop(1, ""), shop(2, ""), []string{"shop"}, "shop", telemetry.UF, true},
		{"one that is unchanged", shop(1, ""), shop(1, alsoBasket), []string{"shop"}, "shop", telemetry.UF, false},
		{"the app fails", shop(1, ""), shop(2, ""), []string{"shop"}, "shop", telemetry.NoFlag, false},
		{"nobody asked before", shop(1, ""), shop(2, ""), nil, "shop", telemetry.UF, false},
		{"a new route, which takes requests of another", shop(1, ""), shop(1, alsoBasket), []string{"shop"}, "basket",
			telemetry.UF, true},
		{"a new route, which takes requests of none",
			strings.Replace(shop(1, ""), "cluster", "match: {path_prefix: /shop}, cluster", 1),
			strings.Replace(shop(1, alsoBasket), "cluster", "match: {path_prefix: /shop}, cluster", 1),
			[]string{"shop", ""}, "basket", telemetry.UF, false},
		{"a route less, whose clients are still there",
			strings.Replace(shop(1, alsoBasket), "cluster", "match: {path_prefix: /shop}, cluster", 1),
			strings.Replace(shop(1, ""), "cluster", "match: {path_prefix: /shop}, cluster", 1),
			[]string{"shop", "basket"}, "", telemetry.NR, false},
		{"a route that takes less, whose clients are still there", shop(1, ""),
			strings.Replace(shop(1, ""), "cluster", "match: {path_prefix: /shop}, cluster", 1),
			[]string{"shop"}, "", telemetry.NR, false},
		{"no endpoint", shop(1, ""), shop(2, ""), []string{"shop"}, "shop", telemetry.UH, true},
		{"no endpoint, where that may be", shop(1, ""), mayBeEmpty(shop(2, "")), []string{"shop"}, "shop",
			telemetry.UH, false},
		{"another fault where there may be no endpoint", shop(1, ""), mayBeEmpty(shop(2, "")), []string{"shop"},
			"shop", telemetry.UF, true},
		{"connections fail", names(1, ""), names(2, ""), []string{"listener db"}, "listener db", telemetry.UF, true},
		{"connections without an endpoint", names(1, ""), names(2, ""), []string{"listener db"}, "listener db",
			telemetry.UH, true},
		{"connections without an endpoint, where that may be", names(1, ""), mayBeEmpty(names(2, "")),
			[]string{"listener db"}, "listener db", telemetry.UH, false},
		{"a server name less, whose clients are still there", names(1, alsoB), names(1, ""),
			[]string{"listener db"}, "listener db", telemetry.NR, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newTried(t)
			a.gets(row.first)
			for _, r := range row.before {
				a.answers(r, 500, telemetry.NoFlag)
			}
			a.gets(row.next)
			if a.probation == nil {
				t.Fatal("not on probation")
			}
			a.passes(0, 20*time.Second, row.route, row.flag)
			if a.probation != nil {
				t.Fatal("on probation for ever")
			}
			st := a.told()
			back := st.RolledBack
			if row.back {
				a.serves(row.first)
				if back == nil || back.Failed == 0 || a.registry.RevisionRolledBack.Load() != 1 ||
					a.trials().quarantined(row.next) == "" || a.phase() != phaseCurrent {
					t.Errorf("rolled back %+v, phase %v", back, a.phase())
				}
			} else {
				a.serves(row.next)
				if back != nil {
					t.Errorf("rolled back for %q", back.Reasons)
				}
			}
			if !st.ProbationUntil.IsZero() {
				t.Error("the status has it on probation")
			}
		})
	}
}

// What was decided by the former revision, and ends badly while the new one serves, is not held against the new one.
// The new one may be what mends it.
func TestProbationIgnoresWhatTheFormerRevisionDid(t *testing.T) {
	a := newTried(t)
	a.gets(shop(1, ""))
	a.answers("shop", 500, telemetry.NoFlag)
	former := a.active.table
	a.gets(shop(2, ""))
	begun := a.probation.begun
	for at := time.Duration(0); a.probation != nil; at += lookEvery {
		a.checkProbation(t.Context(), begun.Add(at))
		a.answers("shop", 10, telemetry.NoFlag)
		for range 10 {
			a.registry.Route("shop").Record(telemetry.MethodGet, 504, telemetry.SchemeHTTP, time.Second)
			a.registry.Route("shop").Faults.Count(telemetry.UT)
			former.Faults(0).Count(telemetry.UT)
		}
	}
	a.serves(shop(2, ""))
}

// What was rolled back stays out until its content changes or a person wants it, and what a person wants is not judged.
func TestAfterARollback(t *testing.T) {
	good, bad := shop(1, ""), shop(2, "")
	a := newTried(t)
	fail := func(text string) {
		t.Helper()
		a.gets(text)
		a.serves(text)
		a.passes(0, 5*time.Second, "shop", telemetry.UF)
		a.serves(good)
	}
	a.gets(good)
	a.answers("shop", 5000, telemetry.NoFlag)
	fail(bad)
	a.gets(bad)
	a.serves(good)
	const why = "quarantined: it was rolled back at "
	if r := a.told().LastRejected; r == nil || !strings.HasPrefix(r.Reasons[0], why) {
		t.Errorf("rejected %+v", r)
	}
	if a.told().RolledBack == nil {
		t.Error("that it was rolled back is forgotten")
	}
	a.gets(good) // the author takes it back
	if st := a.told(); st.RolledBack != nil || st.LastRejected != nil || !a.saysUntil().IsZero() {
		t.Errorf("status %+v, on probation until %v", st, a.saysUntil())
	}
	a.answers("shop", 50_000, telemetry.NoFlag)
	fail(bad + "# more\n")
	a.again.Store(true) // SIGHUP
	a.answers("shop", 500_000, telemetry.NoFlag)
	fail(bad + "# more\n")

	a.answers("shop", 500_000, telemetry.NoFlag)
	a.gets(bad + "# still more\n")
	if a.probation == nil {
		t.Fatal("not on probation")
	}
	a.gets(bad+"# still more\n", time.Now())
	if a.probation != nil || !a.told().ProbationUntil.IsZero() || !a.saysUntil().IsZero() {
		t.Error("still on probation although it was forced")
	}
	a.gets(good)

	for _, at := range []time.Time{
		time.Now().Add(time.Minute), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), // by the clocks of people
	} {
		a.gets(bad, at)
		a.serves(bad)
		if a.probation != nil || !a.saysUntil().IsZero() {
			t.Error("on probation although it was forced")
		}
		a.gets(good)
		a.answers("shop", 5_000_000, telemetry.NoFlag)
		fail(bad)
	}
}

// A revision that replaces one on probation goes back to that one, unless something spoke against it.
func TestProbationAfterProbation(t *testing.T) {
	first, second, third := shop(1, ""), shop(2, ""), shop(3, "")
	for _, row := range []struct {
		name string
		flag telemetry.Flag // how the second fares
		back string
	}{
		{"the second was well", telemetry.NoFlag, second},
		{"the second was not", telemetry.UF, first},
	} {
		a := newTried(t)
		a.gets(first)
		a.answers("shop", 500, telemetry.NoFlag)
		a.gets(second)
		a.passes(0, time.Second, "shop", row.flag)
		a.gets(third)
		a.passes(0, 5*time.Second, "shop", telemetry.UF)
		if a.active.from.Hash != row.back {
			t.Errorf("%s: back to %q, want %q", row.name, a.active.from.Hash, row.back)
		}
	}
	a := newTried(t)
	a.gets(first)
	a.answers("shop", 500, telemetry.NoFlag)
	a.gets(second)
	a.passes(0, time.Second, "shop", telemetry.UF)
	a.gets(first)
	if a.serves(first); a.probation != nil {
		t.Error("what was there before is on probation")
	}
}

// What came after the revision that is taken back is the newest document still, and what is told is told of it.
func TestRollbackUnderANewerDocument(t *testing.T) {
	for _, row := range []struct {
		name, newer string
		state       discovery.RevisionState
	}{
		{"rejected", "routes: nothing\n", discovery.RevisionRejected},
		{"waiting", "routes: [{name: shop, cluster: c}]\nclusters: [{name: c, consul: {service: unheard}}]\n",
			discovery.RevisionWaiting},
	} {
		a := newTried(t)
		a.gets(shop(1, ""))
		a.answers("shop", 500, telemetry.NoFlag)
		a.gets(shop(2, ""))
		a.gets(row.newer)
		a.passes(0, 5*time.Second, "shop", telemetry.UF)
		a.serves(shop(1, ""))
		if st := a.told(); st.RolledBack != nil {
			t.Errorf("%s: an older document is told of as the newest one: %+v", row.name, st.RolledBack)
		}
		a.mu.Lock()
		v, _ := a.now.verdict()
		records := a.now.history.text()
		a.mu.Unlock()
		if v.State != row.state || !strings.Contains(records, " rolled_back ") ||
			a.trials().quarantined(shop(2, "")) == "" {
			t.Errorf("%s: says %+v; revisions %s", row.name, v, records)
		}
	}
}

// A document that is held is the newest one, whatever became of those before it.
func TestHeldAfterOthers(t *testing.T) {
	const held = "routes: [{name: shop, cluster: c}]\nclusters: [{name: c, consul: {service: unheard}}]\n"
	a := newTried(t)
	a.gets(shop(1, ""))
	a.gets("routes: nothing\n")
	a.gets(held)
	if st := a.told(); st.Held == nil || st.LastRejected != nil {
		t.Errorf("after one that was rejected: held %+v, rejected %+v", st.Held, st.LastRejected)
	}
	a.answers("shop", 500, telemetry.NoFlag)
	a.gets(shop(2, ""))
	a.passes(0, 5*time.Second, "shop", telemetry.UF)
	a.gets(held)
	if st := a.told(); st.Held == nil || st.RolledBack != nil {
		t.Errorf("after one that was rolled back: held %+v, rolled back %+v", st.Held, st.RolledBack)
	}
}

// Where the former revision cannot be put back, the new one goes on, and it is tried again.
func TestProbationWhenTheFormerCannotServe(t *testing.T) {
	a := newTried(t)
	address := testserver.Addr(t)
	first := fmt.Sprintf("listeners: [{name: web, address: %q}]\n", address) + shop(1, "")
	a.gets(first)
	a.answers("shop", 500, telemetry.NoFlag)
	a.gets(shop(2, ""))
	taken := testserver.ListenAt(t, address)
	a.passes(0, 5*time.Second, "shop", telemetry.UF)
	a.serves(shop(2, ""))
	_ = testserver.Release(taken)
	a.passes(5*time.Second, 12*time.Second, "shop", telemetry.UF)
	a.serves(first)
}

// At the start, and while the environment serves alone, there is nothing worth going back to.
func TestNoProbation(t *testing.T) {
	a := newTried(t)
	a.gets(shop(1, ""))
	if a.probation != nil {
		t.Error("the first revision is on probation")
	}
	a.boot.Probation = 0
	a.gets(shop(2, ""))
	if a.probation != nil {
		t.Error("on probation although that is off")
	}

	a = newTried(t)
	if err := a.orFallBack(t.Context(), "nothing was heard"); err != nil {
		t.Fatal(err)
	}
	a.gets(shop(1, ""))
	if a.probation != nil {
		t.Error("on probation in place of the environment")
	}
}

// saysUntil is until when the verdict has what serves on probation.
func (a *tried) saysUntil() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, _ := a.now.verdict()
	return v.ProbationUntil
}

// The clusters and queries of the former revision are kept until the probation is over.
func TestProbationKeepsTheFormerRevision(t *testing.T) {
	follows := func(service string) string {
		return fmt.Sprintf("routes: [{name: all, cluster: %s}]\nclusters: [{name: %s, consul: {service: %s}, "+
			"allow_empty: true}]\n", service, service, service)
	}
	a := newTried(t)
	a.gets(follows("one"))
	a.gets(follows("two"))
	const former = "cluster one\n"
	const query = "query one\n"
	if held := a.held(); !strings.Contains(held, former) || !strings.Contains(held, query) {
		t.Errorf("on probation: %s", held)
	}
	until := a.probation.until
	if got := a.saysUntil(); !got.Equal(until) {
		t.Errorf("says that it is on probation until %v, want %v", got, until)
	}
	a.checkProbation(t.Context(), a.probation.until.Add(-time.Second))
	if a.probation == nil {
		t.Fatal("its probation is over before its time")
	}
	a.checkProbation(t.Context(), a.probation.until)
	if a.probation != nil {
		t.Fatal("its probation is not over")
	}
	if got := a.saysUntil(); !got.Equal(until) {
		t.Errorf("says something else (%v) since its probation is over: a write for nothing", got)
	}
	if held := a.held(); strings.Contains(held, former) || strings.Contains(held, query) {
		t.Errorf("after it: %s", held)
	}
}

// What would be put back must not take the endpoints from what serves.
func TestProbationWhenTheFormerHasNoEndpoints(t *testing.T) {
	a := newTried(t)
	first := "routes: [{name: shop, cluster: shop}]\nclusters: [{name: shop, consul: {service: shop}, panic: never}]\n"
	a.gets(first)
	a.active.deliver(consul.Endpoints{
		Query: consul.Query{Service: "shop"}, Instances: []cluster.Instance{{Address: "127.0.0.1:1", Weight: 1}},
	})
	a.answers("shop", 500, telemetry.NoFlag)
	a.gets(shop(2, ""))
	a.former().deliver(consul.Endpoints{
		Query:     consul.Query{Service: "shop"},
		Instances: []cluster.Instance{{Address: "127.0.0.1:1", Weight: 1, State: cluster.Maintenance}},
	})
	a.passes(0, 10*time.Second, "shop", telemetry.UF)
	a.serves(shop(2, ""))
}
