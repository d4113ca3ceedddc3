package cluster

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// consulCluster is a cluster that takes all of its endpoints from the catalog.
func consulCluster() config.Cluster {
	c := cfg("")
	c.Consul = config.Consul{Service: "orders", EmptyHold: 30 * time.Second}
	c.PassiveHealth = config.PassiveHealth{
		ConsecutiveFailures: 1, BaseEjection: 10 * time.Second, MaxEjection: time.Minute, MaxEjectedPercent: 50,
	}
	return c
}

func TestRestoreEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newCluster(t, consulCluster())
		c.RestoreEndpoints(discovered("a b:critical"), 0)
		if got := picks(c, 2); got != "a a" {
			t.Errorf("restored: %s, want a", got)
		}
		c.RestoreEndpoints(discovered("old"), 0)
		if got := picks(c, 2); got != "a a" {
			t.Errorf("restored over what is known: %s, want a", got)
		}
		c.SetEndpoints(discovered("b c"))
		if got := picks(c, 2); got != "b c" {
			t.Errorf("after the catalog: %s, want b c", got)
		}
		c.SetEndpoints(nil)
		at := c.HeldUntil()
		if rest := time.Until(at); rest != 30*time.Second {
			t.Errorf("held for %v, want 30s", rest)
		}

		_, again := newCluster(t, consulCluster())
		again.RestoreEndpoints(discovered("b c"), 7*time.Second)
		if rest := time.Until(again.HeldUntil()); rest != 7*time.Second {
			t.Errorf("restored hold ends in %v, want 7s", rest)
		}
		if got := picks(again, 2); got != "b c" {
			t.Errorf("held: %s, want b c", got)
		}
		again.SetEndpoints(nil) // the catalog still has none: the hold is not begun anew
		if rest := time.Until(again.HeldUntil()); rest != 7*time.Second {
			t.Errorf("restored hold ends in %v after the catalog's first word, want 7s", rest)
		}
		<-time.After(8 * time.Second)
		again.group.set.Tick()
		if c, err := again.Pick(nil); err == nil {
			t.Errorf("picked %s after the end of the hold", c.Address())
		}
		_, late := newCluster(t, consulCluster())
		late.RestoreEndpoints(discovered("b c"), 24*time.Hour) // by a clock that was set back meanwhile
		if rest := time.Until(late.HeldUntil()); rest != 30*time.Second {
			t.Errorf("restored hold of a day ends in %v, want 30s", rest)
		}
		s.Retire(nil)
	})
}

func TestRestoreEjections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newCluster(t, consulCluster())
		c.SetEndpoints(discovered("a b c d"))
		for range 2 { // of "b", twice, so that the second one is longer
			<-time.After(11 * time.Second)
			s.Tick()
			for failed := false; !failed; {
				e, err := c.Pick(nil)
				if err != nil {
					t.Fatal(err)
				}
				if failed = e.Address() == "b"; failed {
					e.Done(Timeout)
				} else {
					e.Done(Ignored)
				}
			}
		}
		<-time.After(11 * time.Second)
		kept := s.Ejections()
		if len(kept) != 1 || kept[0].Address != "b" ||
			kept[0].Ejections != 2 || time.Until(kept[0].Until) != 9*time.Second {
			t.Fatalf("ejections %+v, want b for another 9s, the second time", kept)
		}
		text, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		var read []Ejection
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		read[0].Until = read[0].Until.Round(0)

		next, c := newCluster(t, consulCluster())
		c.SetEndpoints(discovered("a b c d"))
		over := Ejection{Cluster: "orders", Address: "a", Until: time.Now().Add(-time.Second), Ejections: 1}
		if n := next.RestoreEjections(append(read, over, Ejection{Cluster: "none"})); n != 1 {
			t.Errorf("%d restored, want 1", n)
		}
		if got := picks(c, 3); got != "a c d" {
			t.Errorf("restored: %s, want all but b", got)
		}
		st := next.Status()[0].Endpoints[1]
		if st.State != "ejected" || st.Reason != "passive: timeout" || time.Until(*st.Passive.Until) != 9*time.Second {
			t.Errorf("b is %s for %q until %v", st.State, st.Reason, st.Passive.Until)
		}
		<-time.After(9 * time.Second)
		next.Tick()
		if got := next.Ejections(); got != nil {
			t.Errorf("after its time: %+v", got)
		}
		long := Ejection{Cluster: "orders", Address: "a", Until: time.Now().Add(1000 * time.Hour), Ejections: 1 << 30}
		if n := next.RestoreEjections([]Ejection{long}); n != 1 {
			t.Errorf("%d restored, want 1", n)
		}
		if got := next.Ejections()[0]; time.Until(got.Until) > time.Minute {
			t.Errorf("a file ejects for %v, want at most max_ejection", time.Until(got.Until))
		}
	})
}

func TestParseState(t *testing.T) {
	for s := Passing; s <= Maintenance; s++ {
		if got, ok := ParseState(s.String()); got != s || !ok {
			t.Errorf("ParseState(%q) = %v, %v", s, got, ok)
		}
	}
	for _, text := range []string{"", "deregistered", "state 9"} {
		if got, ok := ParseState(text); ok {
			t.Errorf("ParseState(%q) = %v, want none", text, got)
		}
	}
}
