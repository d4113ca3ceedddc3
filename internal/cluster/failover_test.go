package cluster

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// chain is a set with the clusters a, b and c, each of one endpoint of Consul's; b and c stand in for a.
type chain struct {
	t   *testing.T
	set *Set
	of  map[string]*Cluster
	log *bytes.Buffer
}

func newChain(t *testing.T, edit func(*config.Cluster)) *chain {
	t.Helper()
	c := &chain{t: t, of: map[string]*Cluster{}, log: new(bytes.Buffer)}
	c.set = NewSet(Options{Registry: telemetry.NewRegistry(), Logger: hclog.New(&hclog.LoggerOptions{Output: c.log})})
	var all []*Cluster
	for _, name := range []string{"a", "b", "c"} {
		cl := cfg("")
		cl.Name, cl.Consul = name, config.Consul{Service: name}
		if name == "a" {
			cl.Failover = []string{"b", "c"}
			cl.PassiveHealth = config.PassiveHealth{
				ConsecutiveFailures: 2, BaseEjection: 10 * time.Second, MaxEjection: 10 * time.Second,
				MaxEjectedPercent: 100,
			}
		}
		if edit != nil {
			edit(&cl)
		}
		one, err := c.set.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		c.of[name] = one
		all = append(all, one)
		one.SetEndpoints(discovered(name + "1"))
	}
	StandIn(c.of, map[string][]string{"a": {"b", "c"}})
	c.set.Retire(all)
	return c
}

// serving checks who serves a's requests, what the status says of it, and the log since the last call.
func (c *chain) serving(want, logged string) {
	c.t.Helper()
	a := c.of["a"]
	got := "a"
	if n := a.Serving(); n > 0 {
		got = a.StandIns()[n-1].Name()
	}
	if got != want {
		c.t.Errorf("%s serves, want %s", got, want)
	}
	st := a.Status()
	active := st.Failover.Active
	if active != want && (active != "" || want != "a") || strings.Join(st.Failover.Order, " ") != "b c" {
		c.t.Errorf("status = %+v, want %s to stand in", st.Failover, want)
	}
	used := 0
	for _, e := range st.Endpoints {
		if e.Unused == "" && e.Passive.State != "probing" {
			used++
		}
	}
	if (used > 0) != (want == "a") {
		c.t.Errorf("the status has %d endpoints as used while %s serves", used, want)
	}
	if a.group.failsOver() != (want != "a") {
		c.t.Errorf("metric = %v while %s serves", a.group.failsOver(), want)
	}
	var lines []string
	for line := range strings.Lines(c.log.String()) {
		if i := strings.Index(line, "failover"); i >= 0 {
			lines = append(lines, strings.TrimSpace(line[i:]))
		}
	}
	c.log.Reset()
	if text := strings.Join(lines, "\n"); text != logged {
		c.t.Errorf("logged %q, want %q", text, logged)
	}
}

const (
	overTo  = "failover: the cluster has no usable endpoint, another one stands in: cluster=a failover="
	isOver  = "failover is over: the cluster has usable endpoints again: cluster=a failover="
	nothing = ""
)

func TestFailoverByCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, nil)
		c.serving("a", nothing)
		c.of["a"].SetEndpoints(discovered("a1:critical"))
		c.serving("b", overTo+"b")
		c.of["b"].SetEndpoints(discovered("b1:critical"))
		c.set.Tick()
		c.serving("c", overTo+"c")
		if got := c.set.Status()[1]; !slices.Equal(got.SkippedBy, []string{"a"}) {
			t.Errorf("b is skipped by %q, want by a, whose requests c gets", got.SkippedBy)
		}
		c.of["b"].SetEndpoints(discovered("b1:maintenance"))
		c.set.Tick()
		c.serving("c", nothing)
		c.of["b"].SetEndpoints(discovered("b1"))
		c.set.Tick()
		c.serving("b", overTo+"b")
		c.of["a"].SetEndpoints(discovered("a1:critical a2"))
		c.serving("a", isOver+"b")
		if strings.Contains(c.log.String(), "all are used") {
			t.Error("panic is logged although the endpoints are not used")
		}
	})
}

// With nothing healthy anywhere it is as without failover: the first cluster's endpoints are used in panic mode.
func TestFailoverWithNothingHealthy(t *testing.T) {
	c := newChain(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		c.of[name].SetEndpoints(discovered(name + "1:critical"))
	}
	if n := c.of["a"].Serving(); n != 0 {
		t.Errorf("Serving = %d, want 0", n)
	}
	if got := picks(c.of["a"], 1); got != "a1" {
		t.Errorf("picked %s, want a1 in panic", got)
	}
	c.of["a"].SetEndpoints(discovered("a1:maintenance"))
	if n := c.of["a"].Serving(); n != 1 || !c.of["a"].Usable() {
		t.Errorf("Serving = %d, want the first that has endpoints for panic mode", n)
	}
	c.of["b"].SetEndpoints(discovered("b1:maintenance"))
	c.of["c"].SetEndpoints(discovered("c1:maintenance"))
	if n := c.of["a"].Serving(); n != 0 || c.of["a"].Usable() {
		t.Errorf("Serving = %d, Usable = %v, want 0 and false", n, c.of["a"].Usable())
	}
}

// The sole endpoint may be ejected where others stand in. A probe brings the requests back, at once.
func TestFailoverByPassiveHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, nil)
		a := c.of["a"]
		for range 2 {
			e, err := a.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			e.Done(ConnectFailure)
		}
		c.serving("b", overTo+"b")
		<-time.After(10 * time.Second)
		c.set.Tick()
		if n := a.Serving(); n != 0 {
			t.Errorf("Serving = %d, want 0: a probe", n)
		}
		probe, err := a.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.serving("b", nothing)
		probe.Done(Success)
		c.serving("a", isOver+"b")
	})
}

func TestServingDoesNotAllocate(t *testing.T) {
	c := newChain(t, nil)
	for _, state := range []string{"a1", "a1:critical"} {
		c.of["a"].SetEndpoints(discovered(state))
		if n := testing.AllocsPerRun(100, func() { c.of["a"].Serving() }); n != 0 {
			t.Errorf("%s: %v allocations, want none", state, n)
		}
	}
}

func TestSkip(t *testing.T) {
	backed := func(name, active string) Status {
		return Status{Name: name, Failover: &FailoverStatus{Order: []string{"b", "c"}, Active: active}}
	}
	for _, row := range []struct {
		name string
		list []Status
		want []string
	}{
		{"the next serves", []Status{backed("a", "c"), {Name: "b", Panic: true}}, []string{"a"}},
		{"of two", []Status{backed("a", "c"), {Name: "b", Panic: true}, backed("d", "")}, []string{"a", "d"}},
		{"it serves all the same", []Status{backed("a", "b"), {Name: "b", Panic: true}, backed("d", "c")}, nil},
		{"it is healthy", []Status{backed("a", "c"), {Name: "b"}}, nil},
		{"no list names it", []Status{{Name: "a"}, {Name: "b", Panic: true}}, nil},
	} {
		skip(row.list)
		if got := row.list[1].SkippedBy; !slices.Equal(got, row.want) {
			t.Errorf("%s: b is skipped by %q, want %q", row.name, got, row.want)
		}
	}
}
