package telemetry

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestNamesKeepTheirInstruments(t *testing.T) {
	r := NewRegistry()
	l := r.Listener("a", L4)
	for kind, of := range map[string]func(name string) any{
		"Route":            func(n string) any { return r.Route(n) },
		"Cluster":          func(n string) any { return r.Cluster(n) },
		"Listener":         func(n string) any { return r.Listener(n, L7) },
		"Tunnel":           func(n string) any { return l.Tunnel(n) },
		"RevisionRejected": func(n string) any { return r.RevisionRejected(n) },
	} {
		first, again, other := of("a"), of("a"), of("b")
		if first != again {
			t.Errorf("%s: the same name is not the same", kind)
		}
		if first == other {
			t.Errorf("%s: two names are one", kind)
		}
	}
	if r.Listener("a", L7) == l {
		t.Error("Listener: the two planes are one")
	}
	if r.Listener("b", L4).Tunnel("a") == l.Tunnel("a") {
		t.Error("Tunnel: two listeners are one")
	}
}

func TestNamesAreBounded(t *testing.T) {
	r := NewRegistry()
	l := r.Listener("first", L4)
	for _, tt := range []struct {
		kind  string
		limit int
		of    func(name string) any
		over  any
	}{
		{"route", maxRoutes, func(n string) any { return r.Route(n) }, r.Route(Overflow)},
		{"cluster", maxClusters, func(n string) any { return r.Cluster(n) }, r.Cluster(Overflow)},
		{"listener", maxListeners, func(n string) any { return r.Listener(n, L7) }, nil},
		{"tunnel", maxTunnels, func(n string) any { return l.Tunnel(n) }, nil},
		{"reason", maxReasons, func(n string) any { return r.RevisionRejected(n) }, nil},
	} {
		first := tt.of("name")
		seen := map[any]bool{}
		for i := range tt.limit + 50 {
			seen[tt.of("name-"+strconv.Itoa(i))] = true
		}
		if len(seen) > tt.limit || len(seen) < tt.limit-2 {
			t.Errorf("%s: %d names made %d, want about %d", tt.kind, tt.limit+50, len(seen), tt.limit)
		}
		over := tt.of("one more")
		if over != tt.of("and another") {
			t.Errorf("%s: names over the bound do not share one", tt.kind)
		}
		if tt.over != nil && over != tt.over {
			t.Errorf("%s: names over the bound do not get %q", tt.kind, Overflow)
		}
		if tt.of("name") != first {
			t.Errorf("%s: a full registry forgot a name it had", tt.kind)
		}
	}
	if got := r.Listener("one more", L7).name; got != Overflow {
		t.Errorf("listener over the bound is called %q", got)
	}
}

// Statuses and methods come from outside, so their histograms are bounded too.
func TestSeriesAreBounded(t *testing.T) {
	r := NewRegistry()
	known, route, cluster := r.Route("known"), r.Route("late"), r.Cluster("late")
	known.Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
	r.series.Store(maxSeries)

	known.Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
	route.Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
	route.Record(MethodGet, 404, SchemeHTTP, time.Millisecond)
	cluster.RecordRequest(200, time.Millisecond)
	for name, n := range map[string][2]int64{
		"a series made before":   {known.Requests(), 2},
		"a new route":            {route.Requests(), 0},
		"the overflow's route":   {r.Route(Overflow).Requests(), 2},
		"a new cluster":          {cluster.sent(), 0},
		"the overflow's cluster": {r.Cluster(Overflow).sent(), 1},
	} {
		if n[0] != n[1] {
			t.Errorf("%s counted %d, want %d", name, n[0], n[1])
		}
	}
	if r.series.Load() != maxSeries {
		t.Errorf("series = %d: a spent budget went on to %d", maxSeries, r.series.Load())
	}
	if n := testing.AllocsPerRun(100, func() { route.Record(MethodGet, 200, SchemeHTTP, 0) }); n != 0 {
		t.Errorf("Record over the bound allocates %v times, want 0", n)
	}
}

func TestLabelsCanBeExported(t *testing.T) {
	r := NewRegistry()
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"\xff\xfe", "\uFFFD"},
		{"caf\xc3", "caf\uFFFD"},
		{strings.Repeat("x", 300), strings.Repeat("x", maxLabelBytes)},
		{strings.Repeat("é", 300), strings.Repeat("é", maxLabelBytes/2)},
		{"x" + strings.Repeat("é", 300), "x" + strings.Repeat("é", maxLabelBytes/2-1) + "\uFFFD"},
	} {
		if got := r.Route(tt.in).name; got != tt.want {
			t.Errorf("Route(%q) is called %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestValuesOutsideTheEnumsAreHarmless(t *testing.T) {
	r := NewRegistry()
	r.Route("a").Record(Method(250), 200, Scheme(250), 0)
	r.Listener("a", L7).Requests(Method(250), Scheme(250)).Inc()
	r.Listener("a", L7).Handshake(0xFFFF)
	r.Cluster("a").RecordFailure(Flag(250), 0)
	r.Fault(Flag(250)).Inc()
	r.DiscoveryErrors(DiscoveryClass(250)).Inc()
	if r.Route("a").Requests() != 1 || r.Cluster("a").sent() != 1 {
		t.Error("a value outside its enum was not counted")
	}
}

// sent counts the attempts of a cluster.
func (c *Cluster) sent() (n int64) {
	c.answered.each(func(_ int, h *histogram) { n += int64(h.load().count()) })
	for i := range c.failed {
		if h := c.failed[i].Load(); h != nil {
			n += int64(h.load().count())
		}
	}
	return n
}
