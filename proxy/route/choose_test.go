package route

import "testing"

func TestChoose(t *testing.T) {
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
				rt.upstream = append(rt.upstream, weighted{up, w})
				rt.total += w
			}
			const draws = 20_000
			got := make([]int, len(tt.weights))
			for range draws {
				up := rt.choose()
				if up == nil {
					t.Fatal("nothing was drawn")
				}
				got[ups[up]]++
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
			rt.upstream = append(rt.upstream, weighted{&Upstream{}, 0})
		}
		if up := rt.choose(); up != nil {
			t.Errorf("weights %v drew a cluster", weights)
		}
	}
}
