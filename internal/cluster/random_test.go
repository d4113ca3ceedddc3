package cluster

import (
	"math"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// TestDrawsByWeight holds both random balancers to the shares the weights ask for;
// 30,000 picks stay within 6 standard deviations but once in 500 million runs.
func TestDrawsByWeight(t *testing.T) {
	for _, balance := range []string{config.BalanceRandom, config.BalanceLeastRequest} {
		for _, endpoints := range []string{"a b", "a*5 b c", "a*3 b*0 c*2", "a"} {
			cl := cfg(endpoints)
			cl.Balance = balance
			_, c := newCluster(t, cl)
			const n = 30_000
			count, sum := map[string]int{}, 0
			for range n {
				e, err := c.Pick(nil)
				if err != nil {
					t.Fatal(err)
				}
				count[e.Address()]++
				e.Done(Success)
			}
			for _, e := range cl.Endpoints {
				sum += e.Weight
			}
			for _, e := range cl.Endpoints {
				p := float64(e.Weight) / float64(sum)
				want, sigma := n*p, math.Sqrt(n*p*(1-p))
				if got := float64(count[e.Address]); math.Abs(got-want) > 6*sigma {
					t.Errorf("%s over %q: %s picked %v times, want about %v", balance, endpoints, e.Address, got, want)
				}
			}
		}
	}
}

// TestLeastRequestAvoidsTheBusy: an endpoint that holds its requests gets no more
// while another has fewer for its weight.
func TestLeastRequestAvoidsTheBusy(t *testing.T) {
	cl := cfg("a*2 b")
	cl.Balance = config.BalanceLeastRequest
	_, c := newCluster(t, cl)
	held := map[string]int{}
	for range 300 {
		e, err := c.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		held[e.Address()]++
	}
	if held["a"] < 198 || held["a"] > 202 {
		t.Errorf("300 requests held on a*2 b are split %v, want about 200 and 100", held)
	}
}

// TestManyEndpoints: above what round robin scans, the shares are still by weight,
// and nothing is picked that may not be.
func TestManyEndpoints(t *testing.T) {
	cl := cfg("")
	cl.Consul.Service = "orders"
	_, c := newCluster(t, cl)
	var list []Instance
	for i := range 500 {
		d := Instance{Address: string(rune('a'+i%26)) + string(rune('a'+i/26)), Weight: 1}
		if i%5 == 0 {
			d.State = Critical
		}
		list = append(list, d)
	}
	c.SetEndpoints(list)
	seen := map[string]int{}
	for range 40_000 {
		e, err := c.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Address()]++
		e.Done(Success)
	}
	for _, d := range list {
		if n := seen[d.Address]; d.State == Critical && n > 0 || d.State == Passing && (n < 40 || n > 180) {
			t.Errorf("%s (%v) was picked %d times of 40000 over 400", d.Address, d.State, n)
		}
	}
}
