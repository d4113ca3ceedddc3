package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestNearShare(t *testing.T) {
	for _, row := range []struct {
		name                       string
		near, nearAll, far, farAll float64
		want                       float64 // percent
	}{
		{"all are healthy", 10, 10, 10, 10, 100},
		{"72 % are enough", 72, 100, 10, 10, 100},
		{"a little less", 70, 100, 10, 10, 98},
		{"half", 5, 10, 10, 10, 70},
		{"a quarter", 1, 4, 10, 10, 35},
		{"one in ten", 1, 10, 10, 10, 14},
		{"none", 0, 10, 10, 10, 0},
		{"the others are few, but healthy", 5, 10, 1, 1, 70},
		{"the others are as bad", 1, 4, 25, 100, 50},
		{"together too few", 1, 10, 3, 10, 25},
		{"together just enough", 2, 10, 9, 10, 28},
		{"the others are all ill", 1, 10, 0, 10, 100},
		{"there are no others", 1, 10, 0, 0, 100},
		{"nobody is healthy", 0, 10, 0, 10, 0},
		{"nobody is here", 0, 0, 10, 10, 0},
		{"the largest there are", 50_000 * maxWeight, 50_000 * maxWeight, 1, 50_000 * maxWeight, 100},
	} {
		got := nearShare(int64(row.near)*full, int64(row.nearAll), int64(row.far)*full, int64(row.farAll))
		if percent := 100 * float64(got) / full; percent < row.want-0.01 || percent > row.want+0.01 {
			t.Errorf("%s: %.3f %%, want %v", row.name, percent, row.want)
		}
	}
}

// placed makes what Consul says of "a@here b*2@there:critical".
func placed(text string) []Instance {
	var list []Instance
	for f := range strings.FieldsSeq(text) {
		what, rest, _ := strings.Cut(f, "@")
		zone, state, _ := strings.Cut(rest, ":")
		i := discovered(what + ":" + state)[0]
		i.Zone, i.Node, i.ID = "zone-"+zone, "node-"+zone, i.Address
		list = append(list, i)
	}
	return list
}

// preferring makes a cluster that prefers zone-here, with these endpoints.
func preferring(t testing.TB, balance, endpoints string, edit func(*config.Cluster)) (*Set, *Cluster) {
	t.Helper()
	cl := cfg("")
	cl.Balance = balance
	cl.Consul = config.Consul{Service: "orders", Prefer: config.PreferZone, EmptyHold: 30 * time.Second}
	cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute, MaxEjection: time.Minute,
		MaxEjectedPercent: 100}
	cl.SlowStart = 0
	if edit != nil {
		edit(&cl)
	}
	s, c := newCluster(t, cl)
	s.SetLocation(Location{Node: "node-here", Zone: "zone-here"})
	c.SetEndpoints(placed(endpoints))
	return s, c
}

// shares counts n picks by the first letter of the address. Each has a key of its own, where keys count.
func shares(t testing.TB, c *Cluster, n int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for i := range n {
		tried := Tried{Key: uint64(i + 1)}
		e, err := c.Pick(&tried)
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Address()[:1]]++
		e.Done(Success)
	}
	return seen
}

// eject fails an endpoint.
func eject(c *Cluster, address string) {
	for _, l := range c.view.Load().listed {
		if l.endpoint.address == address {
			l.endpoint.Report(ConnectFailure)
		}
	}
}

// With each balancer the near endpoints take all requests until too few of them are healthy, whoever says so.
func TestPrefer(t *testing.T) {
	for _, balance := range config.Balances {
		t.Run(balance, func(t *testing.T) {
			_, c := preferring(t, balance, "n1@here n2@here n3@here n4@here f1@there f2@there", nil)
			expect := func(what string, least, most int) {
				t.Helper()
				const all = 4000
				if n := shares(t, c, all)["n"] * 100 / all; n < least || n > most {
					t.Errorf("%s: %d %% go to near ones, want %d to %d", what, n, least, most)
				}
			}
			expect("all are healthy", 100, 100)
			eject(c, "n1")
			expect("3 of 4", 100, 100)
			eject(c, "n2")
			expect("2 of 4", 66, 74) // 70
			c.SetEndpoints(placed("n1@here n2@here n3@here n4@here:critical f1@there f2@there"))
			expect("1 of 4, by the catalog", 31, 39) // 35
			eject(c, "f1")
			eject(c, "f2")
			expect("the others are all ejected", 100, 100)
			eject(c, "n3")
			expect("all are ejected: panic", 1, 99)
			c.SetEndpoints(placed("n5@here f3@there f1@there"))
			expect("a new one", 100, 100)
			_, c = preferring(t, balance, "f3@there f4@there", nil)
			expect("none is here", 0, 0)
		})
	}
}

// A key keeps its endpoint while its part has room, and those that have to go all go the same way.
func TestPreferByHash(t *testing.T) {
	_, c := preferring(t, config.BalanceHash, "n1@here n2@here n3@here n4@here f1@there f2@there", nil)
	before := map[uint64]string{}
	to := func(key uint64) string {
		tried := Tried{Key: key}
		e, err := c.Pick(&tried)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Done(Success)
		if led := c.HashedTo(key); led != e.Address() {
			t.Fatalf("key %d goes to %s, and is told to go to %s", key, e.Address(), led)
		}
		return e.Address()
	}
	for key := range uint64(2000) {
		before[key+1] = to(key + 1)
	}
	eject(c, "n1")
	eject(c, "n2")
	moved := 0
	for key, address := range before {
		now := to(key)
		if now != to(key) {
			t.Fatalf("key %d goes here and there", key)
		}
		if address != "n1" && address != "n2" && now != address {
			moved++
			if now[0] == 'n' {
				t.Errorf("key %d goes from %s to %s", key, address, now)
			}
		}
	}
	if moved < 200 || moved > 400 { // 30 % of the half whose endpoints are well
		t.Errorf("%d of 2000 keys moved, want some 300", moved)
	}
}

// A retry goes to another near endpoint, then to one of the others.
func TestPreferOnRetry(t *testing.T) {
	_, c := preferring(t, config.BalanceWRR, "n1@here n2@here f1@there", nil)
	var tried Tried
	var seen string
	for range 3 {
		e, err := c.Pick(&tried)
		if err != nil {
			t.Fatal(err)
		}
		seen += e.Address()[:1]
		e.Done(Ignored)
	}
	if seen != "nnf" {
		t.Errorf("tries went to %s, want two near ones and then another", seen)
	}
}

// An endpoint that returns takes over slowly, also where it is the only near one.
func TestPreferDuringSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := preferring(t, config.BalanceRandom, "n1@here f1@there", func(cl *config.Cluster) {
			cl.SlowStart = 10 * time.Second
		})
		eject(c, "n1")
		if n := shares(t, c, 100)["n"]; n > 0 {
			t.Errorf("%d requests went to the ejected endpoint", n)
		}
		<-time.After(time.Minute + time.Second)
		s.Tick()
		if n := shares(t, c, 1000)["n"]; n == 0 { // the first of them is a probe
			t.Fatal("an endpoint that is the only near one is never probed")
		}
		s.Tick()
		if st := c.Status().Prefer; st.Share > 0.3 {
			t.Errorf("share %v right after its return", st.Share)
		}
		<-time.After(8 * time.Second)
		s.Tick()
		if st := c.Status().Prefer; st.Share != 1 || c.group.nearShare() != 1 {
			t.Errorf("share %v at the end of its slow start", st.Share)
		}
	})
}

// What is near depends on where the gateway is; while that is not known all are alike. A cluster that only prefers
// something else keeps what the catalog said.
func TestPreferFollowsTheLocation(t *testing.T) {
	s, c := preferring(t, config.BalanceWRR, "n1@here f1@there", nil)
	s.SetLocation(Location{Unknown: "status 403"})
	if seen := shares(t, c, 10); seen["n"] != 5 {
		t.Errorf("picks %v while the location is not known", seen)
	}
	if st := c.Status().Prefer; st.Here != "" || st.Why != "status 403" || st.String() !=
		"prefers the zone of the gateway, which is not known (status 403)" {
		t.Errorf("status %+v: %s", st, st)
	}
	s.SetLocation(Location{Node: "node-there", Zone: "zone-here", Datacenter: "dc1"})
	if seen := shares(t, c, 10); seen["n"] != 10 {
		t.Errorf("picks %v, want those of the zone", seen)
	}
	st := c.Status()
	if text := st.Prefer.String(); text != "prefers zone zone-here: 1 of its endpoints, for 100 % of the requests" {
		t.Error(text)
	}
	if n, f := st.Endpoints[1], st.Endpoints[0]; !n.Near || n.Unused != "" || f.Near || f.Unused != "another zone" {
		t.Errorf("endpoints %+v", st.Endpoints)
	}
	cl := *c.cfg
	cl.Consul.Prefer = config.PreferNode
	byNode := add(t, s, cl)
	if seen := shares(t, byNode, 10); seen["f"] != 10 {
		t.Errorf("picks %v, want those of the node", seen)
	}
	cl.Consul.Datacenter = "dc2" // which has nodes of its own
	other := add(t, s, cl)
	other.SetEndpoints(placed("n1@here f1@there"))
	if seen := shares(t, other, 10); seen["f"] != 5 {
		t.Errorf("picks %v, want no preference in another datacenter", seen)
	}
}

func TestPreferAllocatesNothing(t *testing.T) {
	for _, balance := range config.Balances {
		_, c := preferring(t, balance, "n1@here n2@here n3@here f1@there f2@there", nil)
		eject(c, "n1")
		eject(c, "n2") // so that parts are drawn
		if n := testing.AllocsPerRun(1000, func() { tried := Tried{Key: 7}; cycle(c, &tried) }); n != 0 {
			t.Errorf("%s: a request allocates %v times", balance, n)
		}
	}
}

// BenchmarkPrefer: all go to the near part, or parts are drawn; and without a preference.
func BenchmarkPrefer(b *testing.B) {
	for _, row := range []struct {
		name, prefer string
		eject        int
	}{{"none", "", 0}, {"near", config.PreferZone, 0}, {"drawn", config.PreferZone, 2}} {
		for _, balance := range config.Balances {
			b.Run(row.name+"/"+balance, func(b *testing.B) {
				_, c := preferring(b, balance, "n1@here n2@here n3@here n4@here f1@there f2@there f3@there f4@there",
					func(cl *config.Cluster) { cl.Consul.Prefer = row.prefer })
				for _, address := range []string{"n1", "n2"}[:row.eject] {
					eject(c, address)
				}
				b.ReportAllocs()
				for b.Loop() {
					tried := Tried{Key: 7}
					e, _ := c.Pick(&tried)
					e.Done(Success)
				}
			})
		}
	}
}

// What is not known of a place is no place: a gateway without a zone is not near instances without one.
func TestIsNear(t *testing.T) {
	at := func(node, zone string) *entry { return &entry{Instance: Instance{Node: node, Zone: zone}} }
	here := Location{Node: "n1", Datacenter: "dc1", Zone: "z1"}
	node, zone := config.Consul{Prefer: config.PreferNode}, config.Consul{Prefer: config.PreferZone}
	elsewhere := config.Consul{Prefer: config.PreferNode, Datacenter: "dc2"}
	named := config.Consul{Prefer: config.PreferNode, Datacenter: "dc1"}
	for _, row := range []struct {
		name string
		here Location
		at   *entry
		of   config.Consul
		want bool
	}{
		{"same zone, other node", here, at("n2", "z1"), zone, true},
		{"other zone, same node", here, at("n1", "z2"), zone, false},
		{"no zone on either side", Location{Node: "n1"}, at("n1", ""), zone, false},
		{"an instance without a zone", here, at("n1", ""), zone, false},
		{"only in the document", here, nil, zone, false},
		{"same node", here, at("n1", "z2"), node, true},
		{"other node", here, at("n2", "z1"), node, false},
		{"no node on either side", Location{}, at("", ""), node, false},
		{"same node, the datacenter is named", here, at("n1", ""), named, true},
		{"a node of that name elsewhere", here, at("n1", ""), elsewhere, false},
	} {
		if got := row.here.isNear(row.at, &row.of); got != row.want {
			t.Errorf("%s: near = %v, want %v", row.name, got, row.want)
		}
	}
}
