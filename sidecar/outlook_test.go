package sidecar

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestCoverage(t *testing.T) {
	own := coverage{}
	for _, row := range []struct {
		name         string
		before, next coverage
		lacks, ends  bool
	}{
		{"all, all", coverage{1, 1, 1}, coverage{100, 100, 100}, false, false},
		{"all, none", coverage{1, 1, 1}, coverage{0, 0, 1}, true, true},
		{"none, none", coverage{0, 0, 1}, coverage{0, 0, 100}, false, false},
		{"all, a part", coverage{1, 1, 1}, coverage{90, 90, 100}, true, false},
		{"a part, the same part", coverage{9, 9, 10}, coverage{90, 90, 100}, false, false},
		{"a part, less", coverage{90, 90, 100}, coverage{80, 80, 100}, true, false},
		{"a part, more", coverage{90, 90, 100}, coverage{95, 95, 100}, false, false},
		{"good, critical", coverage{1, 1, 1}, coverage{1, 0, 1}, true, false},
		{"critical, critical", coverage{1, 0, 1}, coverage{100, 0, 100}, false, false},
		{"critical, good for a part", coverage{1, 0, 1}, coverage{90, 90, 100}, true, false},
		{"own responses, all", own, coverage{1, 1, 1}, false, false},
		{"own responses, a part", own, coverage{90, 90, 100}, true, false},
		{"own responses, none", own, coverage{0, 0, 1}, true, true},
		{"none, own responses", coverage{0, 0, 1}, own, false, false},
		{"all, own responses", coverage{1, 1, 1}, own, false, false},
	} {
		lacks, ends := row.next.lacks(row.before), row.next.ends(row.before)
		if lacks != row.lacks || ends != row.ends {
			t.Errorf("%s: lacks %v, ends %v; want %v, %v", row.name, lacks, ends, row.lacks, row.ends)
		}
	}
}

// Where the connections of a listener went before, by server name.
func TestTakenOver(t *testing.T) {
	sni := func(rules ...string) (l config.Listener) {
		l = config.Listener{Name: "l", Address: ":1", Protocol: config.ProtocolTLS}
		for i := 0; i < len(rules); i += 2 {
			l.SNI = append(l.SNI, config.SNIRoute{Host: rules[i], Cluster: rules[i+1]})
		}
		return l
	}
	whole := config.Listener{Name: "l", Address: ":1", Protocol: config.ProtocolTLS, Cluster: "whole"}
	for _, row := range []struct {
		name         string
		before, next config.Listener
		host, want   string // empty: nobody took them
	}{
		{"the same rule", sni("a.x", "a"), sni("a.x", "b"), "a.x", "a"},
		{"a new rule beside one", sni("a.x", "a"), sni("a.x", "a", "b.x", "b"), "b.x", ""},
		{"a new rule in one that stays", sni("*.x", "w"), sni("*.x", "w", "a.x", "b"), "a.x", ""},
		{"a new rule in one that is gone", sni("*.x", "w"), sni("a.x", "b"), "a.x", "w"},
		{"a new rule for all", sni("a.x", "a"), sni("*", "b"), "*", "a"},
		{"a new rule for more", sni("a.x", "a"), sni("*.x", "b"), "*.x", "a"},
		{"a new rule for others", sni("a.x", "a"), sni("*.y", "b"), "*.y", ""},
		{"rules in place of a cluster", whole, sni("a.x", "b"), "a.x", "whole"},
		{"a cluster in place of rules", sni("a.x", "a"), whole, "", "a"},
		{"without an endpoint", sni("a.x", "empty"), whole, "", ""},
		{"another listener", config.Listener{Name: "m", Address: ":2", Protocol: config.ProtocolTCP, Cluster: "m"},
			whole, "", ""},
	} {
		before := takenOver(&config.Document{Listeners: []config.Listener{row.before}}, &row.next,
			func(to []config.WeightedCluster) bool { return to[0].Name != "empty" })
		to, ok := before(row.host)
		got := ""
		if ok {
			got = to[0].Name
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
