package cluster

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// hashOf makes a cluster with balance hash of "a*5 b c".
func hashOf(endpoints string) config.Cluster {
	c := cfg(endpoints)
	c.Balance, c.Hash = config.BalanceHash, config.Hash{SourceIP: true}
	return c
}

// numbered is n endpoints, each of weight 1.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.0.%d.%d:80 ", i/250, i%250)
	}
	return b.String()
}

const (
	manyKeys    = 20_000
	hashOfUser1 = 0x35d941f3d95db3bc
)

// places is where each of manyKeys keys goes.
func places(t testing.TB, c *Cluster) []string {
	t.Helper()
	all := make([]string, manyKeys)
	for i := range all {
		e, err := c.Pick(&Tried{Key: keyOf(i)})
		if err != nil {
			t.Fatal(err)
		}
		all[i] = e.Address()
		e.Done(Ignored)
	}
	return all
}

func keyOf(i int) uint64 { return Hash(fmt.Appendf(nil, "user-%d", i)) }

// moved is how many keys are in another place.
func moved(a, b []string) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestHashMovesFewKeys(t *testing.T) {
	for _, n := range []int{3, 10, 100} {
		all := strings.Fields(numbered(n))
		_, before := newCluster(t, hashOf(numbered(n)))
		was := places(t, before)
		for _, tt := range []struct{ name, endpoints string }{
			{"one goes", strings.Join(slices.Delete(slices.Clone(all), n/2, n/2+1), " ")},
			{"one comes", numbered(n + 1)},
		} {
			_, after := newCluster(t, hashOf(tt.endpoints))
			share := float64(moved(was, places(t, after))) / manyKeys
			if want := 1 / float64(n); share > 1.25*want+0.01 || share < want/2 {
				t.Errorf("%s of %d: %.1f %% of the keys move, want about %.1f %%", tt.name, n, 100*share, 100*want)
			}
		}
		reversed := slices.Clone(all)
		slices.Reverse(reversed)
		_, again := newCluster(t, hashOf(strings.Join(reversed, " ")))
		if m := moved(was, places(t, again)); m > 0 {
			t.Errorf("%d endpoints in another order: %d keys move", n, m)
		}
	}
}

func TestHashRespectsWeights(t *testing.T) {
	for _, tt := range []struct {
		endpoints string
		want      map[string]float64
	}{
		{"a b", map[string]float64{"a": 0.5, "b": 0.5}},
		{"a*3 b", map[string]float64{"a": 0.75, "b": 0.25}},
		{"a*0 b*7", map[string]float64{"b": 1}},
		{"a*128 b*64 c*64", map[string]float64{"a": 0.5, "b": 0.25, "c": 0.25}},
		{"a*65535 b*65535 c", map[string]float64{"a": 0.5, "b": 0.5, "c": 0}},
	} {
		_, c := newCluster(t, hashOf(tt.endpoints))
		got := map[string]float64{}
		for _, address := range places(t, c) {
			got[address] += 1.0 / manyKeys
		}
		for address, want := range tt.want {
			if math.Abs(got[address]-want) > 0.02 {
				t.Errorf("%s: %s has %.3f of the keys, want %.3f", tt.endpoints, address, got[address], want)
			}
		}
	}
	_, heavier := newCluster(t, hashOf("a*4 b*2 c"))
	_, before := newCluster(t, hashOf("a*4 b*2 c*2"))
	if share := float64(moved(places(t, before), places(t, heavier))) / manyKeys; share > 0.2 {
		t.Errorf("a weight of 2 in 8 becomes 1 in 7: %.2f of the keys move", share)
	}
}

// What is ejected loses its keys to the others, each key always to the same one, and has them again when it returns.
func TestHashGoesAroundTheEjected(t *testing.T) {
	cl := hashOf("a b c d")
	cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute, MaxEjection: time.Minute,
		MaxEjectedPercent: 50}
	_, c := newCluster(t, cl)
	was := places(t, c)
	c.view.Load().members[1].endpoint.Report(ConnectFailure)
	now := places(t, c)
	spread := map[string]int{}
	for i := range was {
		switch {
		case was[i] != "b" && now[i] != was[i]:
			t.Fatalf("a key of %s goes to %s", was[i], now[i])
		case was[i] == "b":
			spread[now[i]]++
		}
	}
	if spread["b"] > 0 || len(spread) != 3 {
		t.Errorf("the keys of b go to %v", spread)
	}
	if m := moved(now, places(t, c)); m > 0 {
		t.Errorf("%d keys move though nothing changes", m)
	}
}

// A retry goes to another endpoint, and to the same one for the same key.
func TestHashRetries(t *testing.T) {
	_, c := newCluster(t, hashOf("a*100 b c"))
	for i := range 200 {
		var first []string
		for range 3 {
			tried := Tried{Key: keyOf(i)}
			var seen []string
			for range 3 {
				e, err := c.Pick(&tried)
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, e.Address())
				e.Done(Ignored)
			}
			if first = append(first, seen[0]); first[0] != seen[0] {
				t.Fatalf("key %d goes to %v", i, first)
			}
			slices.Sort(seen)
			if got := strings.Join(slices.Compact(seen), " "); got != "a b c" {
				t.Fatalf("key %d: three tries go to %s", i, got)
			}
		}
	}
}

// In panic the keys stay where they are.
func TestHashInPanic(t *testing.T) {
	cl := hashOf("")
	cl.Consul = config.Consul{Service: "orders"}
	_, c := newCluster(t, cl)
	c.SetEndpoints(discovered("a b c"))
	was := places(t, c)
	c.SetEndpoints(discovered("a:critical b:critical c:critical"))
	if m := moved(was, places(t, c)); m > 0 {
		t.Errorf("%d keys move", m)
	}
}

// Requests without a key are spread by weight.
func TestHashWithoutKey(t *testing.T) {
	_, c := newCluster(t, hashOf("a*3 b"))
	seen := map[string]int{}
	for range 4000 {
		e, err := c.Pick(&Tried{})
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Address()]++
		e.Done(Success)
	}
	if seen["a"] < 2700 || seen["a"] > 3300 {
		t.Errorf("requests = %v, want 3 to 1", seen)
	}
}

// While an endpoint starts slowly, the others have a part of its keys.
func TestHashSlowStart(t *testing.T) {
	_, c := newCluster(t, hashOf("a b"))
	was := places(t, c)
	c.view.Load().members[0].health.pace.Store(full / 4)
	now, kept, all := places(t, c), 0, 0
	for i := range was {
		if was[i] == "a" {
			all++
			if now[i] == "a" {
				kept++
			}
		}
	}
	if share := float64(kept) / float64(all); share < 0.2 || share > 0.5 { // a key may have a slot of a again
		t.Errorf("a has %.2f of its keys, want about a quarter", share)
	}
}

func TestHashOfBytes(t *testing.T) {
	seen := map[uint64]string{}
	for _, s := range []string{"", "a", "b", "ab", "ba", "a\x00", "12345678", "123456780", "12345678\x00",
		"1234567812345678"} {
		h := Hash([]byte(s))
		if other, twice := seen[h]; twice || h == 0 {
			t.Errorf("Hash(%q) = %x, which is that of %q too", s, h, other)
		}
		seen[h] = s
	}
	// The same in every process, and every version: else a rollout would move all keys.
	if got := Hash([]byte("user-1")); got != hashOfUser1 {
		t.Errorf("Hash = %#x, want %#x", got, uint64(hashOfUser1))
	}
}

func BenchmarkHashPick(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, c := newCluster(b, hashOf(numbered(n)))
			b.ReportAllocs()
			for i := uint64(1); b.Loop(); i++ {
				e, err := c.Pick(&Tried{Key: mix(i)})
				if err != nil {
					b.Fatal(err)
				}
				e.Done(Success)
			}
		})
	}
}

func BenchmarkHashSlots(b *testing.B) {
	for _, n := range []int{3, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, c := newCluster(b, hashOf(numbered(n)))
			ms := c.view.Load().members
			for b.Loop() {
				slots(ms)
			}
		})
	}
}

func TestHashPickDoesNotAllocate(t *testing.T) {
	_, c := newCluster(t, hashOf(numbered(1000)))
	i := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		i++
		e, err := c.Pick(&Tried{Key: mix(i)})
		if err != nil {
			t.Fatal(err)
		}
		e.Done(Success)
	}); n > 0 {
		t.Errorf("%v allocations a pick", n)
	}
}

// TestHashTables: every gateway, of whatever version, sends a key to the same endpoint.
func TestHashTables(t *testing.T) {
	for _, tt := range []struct {
		endpoints string
		want      uint64 // the hash of the table
	}{
		{numbered(2), 0xd86db9bc6ebdd0a2},
		{numbered(350), 0x90fadcb0422a1b3},
		{"a:1*7 b:1*65535 c:1*300", 0x5c55b81f01799689},
		{numbered(manyMembers + 1), 0x4ec5665b20bfdb5e},
	} {
		_, c := newCluster(t, hashOf(tt.endpoints))
		var text []byte
		for _, m := range c.view.Load().slots {
			text = append(text, c.view.Load().members[m].endpoint.address...)
		}
		if got := Hash(text); got != tt.want {
			t.Errorf("%.40s: a table of hash %#x, want %#x", tt.endpoints, got, tt.want)
		}
	}
}

// BenchmarkHashTable is the making of one table.
func BenchmarkHashTable(b *testing.B) {
	for _, n := range []int{1, 2, 350, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, c := newCluster(b, hashOf(numbered(n)))
			b.ReportAllocs()
			for b.Loop() {
				slots(c.view.Load().members)
			}
		})
	}
}
