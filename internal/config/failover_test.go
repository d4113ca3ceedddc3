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
- {name: e, endpoints: ["a:1"], failover: [f, g, "consul:h", c]}
- {name: f, endpoints: ["a:1"]}
- {name: g, endpoints: ["a:1"], passive_health: {max_ejected_percent: 20}}
`, Base{})
	want := map[string][]string{"a": {"b", "d", "c"}, "b": {"d", "c"}, "d": {"c"}, "e": {"f", "g", "consul:h", "c"}}
	if got := doc.Failovers(); !reflect.DeepEqual(got, want) {
		t.Errorf("failovers = %v, want %v", got, want)
	}
	for i, want := range []struct {
		percent int
		backed  bool
	}{{100, false}, {100, true}, {50, false}, {10, true}, {100, false}, {100, true}, {20, true}, {100, true}} {
		c := &doc.Clusters[i]
		if got := c.PassiveHealth.MaxEjectedPercent; got != want.percent || c.Backed != want.backed {
			t.Errorf("cluster %s: max_ejected_percent = %d, backed = %v, want %v", c.Name, got, c.Backed, want)
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
