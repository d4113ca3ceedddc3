package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

// tally is what the gateways say of one revision.
type tally struct {
	Serve  int `json:"serve"`
	Refuse int `json:"refuse"`
	Wait   int `json:"wait"`
	Silent int `json:"silent"` // they say nothing of it yet
	Gone   int `json:"gone"`   // they stopped meanwhile

	Superseded string   `json:"superseded,omitempty"` // what somebody else made live meanwhile
	Gateways   []member `json:"gateways"`
}

// member is one gateway with what it says.
type member struct {
	consul.Said
	Stand string `json:"stand"` // serve, refuse, wait or silent
}

// The stands of a gateway towards a revision.
const (
	standServe  = "serve"
	standRefuse = "refuse"
	standWait   = "wait"
	standSilent = "silent"
)

// stand is what a verdict means for a revision that became live with the write of an index. That it serves was true
// before that write too; anything else may be about to change.
func stand(s *consul.Said, rev string, since uint64) string {
	switch {
	case s.Rev != rev:
		return standSilent
	case s.State == discovery.RevisionApplied:
		return standServe
	case s.Index < since:
		return standSilent
	case s.State == discovery.RevisionWaiting:
		return standWait
	}
	return standRefuse // also by a state that a later version has
}

func newTally(all []consul.Said, rev string, since uint64) tally {
	t := tally{Gateways: make([]member, len(all))}
	counts := map[string]*int{standServe: &t.Serve, standRefuse: &t.Refuse, standWait: &t.Wait, standSilent: &t.Silent}
	for i := range all {
		t.Gateways[i] = member{all[i], stand(&all[i], rev, since)}
		*counts[t.Gateways[i].Stand]++
	}
	return t
}

// complete tells whether somebody has spoken, and nobody is left to wait for.
func (t *tally) complete() bool { return t.Serve+t.Refuse > 0 && t.Wait+t.Silent == 0 }

// until is when the last turn comes of those that wait for theirs (GATEWAY_SPREAD); zero = nobody does.
func (t *tally) until() (last time.Time) {
	for i := range t.Gateways {
		if g := &t.Gateways[i]; g.Stand == standWait && g.Until.After(last) {
			last = g.Until
		}
	}
	return last
}

// String is the line that people read: 38 serve, 1 refuses, 1 silent.
func (t *tally) String() string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{t.Serve, "serves", "serve"}, {t.Refuse, "refuses", "refuse"}, {t.Wait, "waits", "wait"},
		{t.Silent, "silent", "silent"}, {t.Gone, "gone", "gone"},
	} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+p.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
		if last := t.until(); p.one == "waits" && !last.IsZero() {
			parts[len(parts)-1] += " (until " + date(last) + ")"
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "no gateway tells what becomes of it (GATEWAY_ACK)")
}

// named are the gateways with one of the stands: the first few by name.
func (t *tally) named(stands ...string) string {
	const most = 5
	var names []string
	for i := range t.Gateways {
		if g := &t.Gateways[i]; slices.Contains(stands, g.Stand) {
			names = append(names, cut(g.Instance, width/3))
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
