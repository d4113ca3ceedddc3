package cli

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

func TestStand(t *testing.T) {
	const since = 10
	for _, row := range []struct {
		rev   string
		state discovery.RevisionState
		index uint64
		want  string
	}{
		{"r", "applied", 11, standServe},
		{"r", "applied", 9, standServe}, // it served before, and does
		{"r", "rejected", 11, standRefuse},
		{"r", "rejected", 10, standRefuse},
		{"r", "rejected", 9, standSilent}, // of the same revision, when it was live before
		{"r", "held", 11, standRefuse},
		{"r", "quarantined", 11, standRefuse},
		{"r", "rolled_back", 11, standRefuse},
		{"r", "unheard of", 11, standRefuse},
		{"r", "waiting", 11, standWait},
		{"r", "waiting", 9, standSilent},
		{"q", "applied", 11, standSilent},
		{"", "waiting", 11, standSilent},
	} {
		s := consul.Said{Verdict: consul.Verdict{Rev: row.rev, State: row.state}, Index: row.index}
		if got := stand(&s, "r", since); got != row.want {
			t.Errorf("%s %s at %d: %s, want %s", row.rev, row.state, row.index, got, row.want)
		}
	}
}

func TestTally(t *testing.T) {
	const why = "no gateway tells what becomes of it (GATEWAY_ACK)"
	for _, row := range []struct {
		tally tally
		want  string
		done  bool
	}{
		{tally{}, why, false}, // nobody has confirmed anything
		{tally{Serve: 38, Refuse: 1, Silent: 1}, "38 serve, 1 refuses, 1 silent", false},
		{tally{Serve: 1, Refuse: 2, Wait: 1}, "1 serves, 2 refuse, 1 waits", false},
		{tally{Serve: 3, Refuse: 2}, "3 serve, 2 refuse", true},
		{tally{Wait: 2, Gone: 3}, "2 wait, 3 gone", false},
		{tally{Gone: 1}, "1 gone", false},
	} {
		if got := row.tally.String(); got != row.want || row.tally.complete() != row.done {
			t.Errorf("%+v: %q, complete %v; want %q, %v", row.tally, got, row.tally.complete(), row.want, row.done)
		}
	}
	var all []consul.Said
	for name := range strings.SplitSeq("a b c d e f g", " ") {
		all = append(all, consul.Said{Instance: name})
	}
	if got := new(newTally(all, "r", 0)).named(standSilent); got != "a, b, c, d, e, and 2 more" {
		t.Errorf("the silent are %q", got)
	}
	all = []consul.Said{{Instance: "a\x1b[2J\nb"}} // anybody who may write the keys may have written it
	if got := new(newTally(all, "r", 0)).named(standSilent); got != "a [2J b" {
		t.Errorf("a hostile name is %q", got)
	}
}

// Progress is a line for each change, with each reason once, and with colours where they are wanted.
func TestProgress(t *testing.T) {
	said := func(name, rev string, state discovery.RevisionState, reasons ...string) consul.Said {
		return consul.Said{Instance: name, Verdict: consul.Verdict{Rev: rev, State: state, Reasons: reasons}, Index: 1}
	}
	for _, coloured := range []bool{false, true} {
		var out strings.Builder
		w := &waiter{rev: "r", out: &out, coloured: coloured, seen: map[string]bool{}}
		w.foreign = 1 // nothing is newer
		for _, all := range [][]consul.Said{
			{said("a", "q", "applied"), said("b", "q", "applied"), said("c", "q", "applied")},
			{said("a", "q", "applied"), said("b", "q", "applied"), said("c", "q", "applied")},
			{said("a", "r", "waiting", "x"), said("b", "q", "applied"), said("c", "q", "applied")},
			{said("a", "r", "waiting", "y"), said("b", "q", "applied"), said("c", "q", "applied")},
			{said("a", "r", "held", "x"), said("b", "r", "held", "x"), said("c", "r", "applied")},
			{said("a", "r", "applied"), said("c", "r", "applied")},
			{said("a", "r", "applied"), said("c", "r", "applied", "y")},
		} {
			w.take(t.Context(), all)
		}
		want := "3 silent\n1 waits, 2 silent\n  a waiting: x\n  a waiting: y\n1 serves, 2 refuse\n" +
			"  a held: x\n2 serve, 1 gone\n  c applied: y\n"
		if coloured {
			want = "\x1b[33m3 silent\x1b[0m\n\x1b[33m1 waits, 2 silent\x1b[0m\n  a waiting: x\n  a waiting: y\n" +
				"\x1b[31m1 serves, 2 refuse\x1b[0m\n  a held: x\n\x1b[32m2 serve, 1 gone\x1b[0m\n  c applied: y\n"
		}
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}
