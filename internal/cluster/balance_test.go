package cluster

import "testing"

func TestRoundRobinSequence(t *testing.T) {
	f := func(endpoints, want string) {
		t.Helper()
		_, c := newCluster(t, cfg(endpoints))
		n := len(discovered(want))
		if got := picks(c, n); got != want {
			t.Errorf("%s:\n got %s\nwant %s", endpoints, got, want)
		}
	}
	f("a*5 b c", "a a b a c a a a a b a c a a")
	f("a", "a a a")
	f("a b", "a b a b")
	f("a b c", "a b c a b c")
	f("a*2 b", "a b a a b a")
	f("a*4 b*2 c", "a b a c a b a")
	f("a*0 b*3", "b b b")
	f("a*65535 b*65535", "a b a b")
	f("a*0", "-")
	f("", "-")
}
