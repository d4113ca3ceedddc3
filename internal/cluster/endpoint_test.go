package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestErrorsThatAreNews: an endpoint that fails all the time is told once. One that fails in two ways by turns is told
// once in a while, and one that fails again after a silence is told anew.
func TestErrorsThatAreNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newCluster(t, cfg("a:1"))
		ep, err := c.Pick(new(Tried))
		if err != nil {
			t.Fatal(err)
		}
		defer ep.Done(Ignored)
		f := func(after time.Duration, text string, want bool) {
			t.Helper()
			<-time.After(after)
			if got := ep.Explain(text); got != want {
				t.Errorf("%q after %v is news: %v, want %v", text, after, got, want)
			}
			if last := c.Status().Endpoints[0].Passive; last.LastError != text || !last.LastErrorAt.Equal(time.Now()) {
				t.Errorf("status has %q at %v, want %q now", last.LastError, last.LastErrorAt, text)
			}
		}
		f(0, "refused", true)
		for range 100 {
			f(time.Second, "refused", false)
		}
		f(0, "timeout", true)
		for range 4 {
			f(time.Second, "refused", false)
			f(time.Second, "timeout", false)
		}
		f(2*time.Second, "refused", true)
		f(newsAgain, "refused", false)
		f(newsAgain+time.Second, "refused", true)
	})
}
