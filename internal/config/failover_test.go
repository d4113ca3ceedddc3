package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestFailovers(t *testing.T) {
	doc := decode(t, `
clusters:
- {name: a, endpoints: ["a:1"], failover: [b, c]}
- {name: b, endpoints: ["a:1"], failover: [d, c]}
- {name: c, endpoints: ["a:1"]}
- {name: d, endpoints: ["a:1"], failover: [c], passive_health: {max_ejected_percent: 10}}
`, Base{})
	want := map[string][]string{"a": {"b", "d", "c"}, "b": {"d", "c"}, "d": {"c"}}
	if got := doc.Failovers(); !reflect.DeepEqual(got, want) {
		t.Errorf("failovers = %v, want %v", got, want)
	}
	for i, want := range []int{100, 100, 50, 10} {
		if got := doc.Clusters[i].PassiveHealth.MaxEjectedPercent; got != want {
			t.Errorf("cluster %s: max_ejected_percent = %d, want %d", doc.Clusters[i].Name, got, want)
		}
	}
}

// However clusters point at each other, checking them ends, and says how many are allowed.
func TestFailoverIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("clusters:\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "- {name: c%d, endpoints: [\"a:1\"], failover: [c%d, c%d]}\n", i, (i+1)%2000, (i+2)%2000)
	}
	if got := problems(b.String(), Base{}); !strings.Contains(got, "want at most 16 clusters") {
		t.Errorf("problems = %.200s", got)
	}
}
