package consul

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// A leader that needs long to respond is queried once, however often that is asked for meanwhile. After an error it is
// queried at once.
func TestRecheckOfASlowLeader(t *testing.T) {
	const one = `[{"Node":{"Node":"n"},"Service":{"ID":"a","Address":"10.0.0.1","Port":80,` +
		`"Weights":{"Passing":1,"Warning":1}}}]`
	var plain atomic.Int32
	begun, goOn := make(chan struct{}), make(chan struct{})
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("index"):
			<-r.Context().Done()
			return
		case plain.Add(1) == 1:
			say(w, "5", one)
			return
		}
		begun <- struct{}{}
		select {
		case <-goOn:
			if plain.Load() == 2 {
				http.Error(w, "no leader", http.StatusInternalServerError)
				return
			}
			say(w, "5", one)
		case <-r.Context().Done():
		}
	})
	respond := func() {
		t.Helper()
		select {
		case goOn <- struct{}{}:
		case <-time.After(patience):
			t.Fatal("the request that was begun was given up")
		}
	}
	catalog := runCatalog(t, c)
	q := Query{Service: "a"}
	catalog.Watch([]Query{q})
	waitAnswers(t, catalog)
	taken(t, catalog, q, "10.0.0.1:80*1/passing")
	catalog.Recheck(q)
	<-begun
	catalog.Recheck(q)
	respond()
	<-begun // at once after the error: that was asked for
	catalog.Recheck(q)
	respond()
	taken(t, catalog, q, "10.0.0.1:80*1/passing")
	if got := plain.Load(); got != 3 {
		t.Errorf("%d plain requests, want 3", got)
	}
}
