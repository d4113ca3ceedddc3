package route

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestDraw(t *testing.T) {
	for _, tt := range []struct {
		name    string
		weights []int
	}{
		{"one", []int{1}},
		{"two", []int{1, 1}},
		{"none for the first", []int{0, 1, 2}},
		{"none for the last", []int{2, 1, 0}},
		{"none in the middle", []int{5, 0, 0, 5}},
		{"the most there can be", []int{65535, 0, 65535}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rt := &Route{}
			ups := map[*Upstream]int{}
			for i, w := range tt.weights {
				up := &Upstream{}
				ups[up] = i
				rt.upstream = append(rt.upstream, weighted{up: up, weight: w})
				rt.total += w
			}
			const draws = 20_000
			got := make([]int, len(tt.weights))
			for range draws {
				w := rt.draw()
				if w == nil {
					t.Fatal("nothing was drawn")
				}
				got[ups[w.up]]++
			}
			for i, w := range tt.weights {
				want := float64(w) / float64(rt.total)
				if share := float64(got[i]) / draws; w == 0 && got[i] > 0 || share < want-0.03 || share > want+0.03 {
					t.Errorf("weights %v drew %v", tt.weights, got)
					break
				}
			}
		})
	}
	for _, weights := range [][]int{nil, {0}, {0, 0}} { // the document refuses these
		rt := &Route{}
		for range weights {
			rt.upstream = append(rt.upstream, weighted{up: &Upstream{}})
		}
		if w := rt.draw(); w != nil {
			t.Errorf("weights %v drew a cluster", weights)
		}
	}
}

// A decision allocates nothing, whether its client stays somewhere or is drawn.
func TestStickyDoesNotAllocate(t *testing.T) {
	tb := table(t, config.Route{
		Clusters: []config.WeightedCluster{{Name: "app", Weight: 1}},
		Sticky:   config.Sticky{Cookie: config.Cookie{Name: "canary", Path: "/"}},
	}, 0)
	w, d := new(Workspace), new(Decision)
	c := &Client{Listener: &Listener{Name: "web"}, IP: "10.0.0.1"}
	cookie := "canary=" + string(tb.router.routes[0].upstream[0].value[:])
	for _, tt := range []struct {
		cookie string
		stays  bool
	}{{"canary=other; " + cookie, true}, {"canary=other", false}, {"x=y", false}} {
		r := request(t, "GET /", "Cookie: a=b; "+tt.cookie+"\r\n")
		if n := testing.AllocsPerRun(100, func() { _ = tb.Decide(d, r, c, begun, w) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", tt.cookie, n)
		}
		if stays := d.stays == nil; stays != tt.stays {
			t.Errorf("%s: stays %v, want %v", tt.cookie, stays, tt.stays)
		}
	}
}
