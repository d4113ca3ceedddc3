package proxy_test

import "time"

// freed waits until every place of the limit is free again, and nothing is left of the connections.
func (g *gateway) freed() {
	g.t.Helper()
	g.settled("places taken", 0, g.limit.Used)
	if n := g.sweeper.Parked(); n != 0 {
		g.t.Errorf("%d connections are parked, want 0", n)
	}
	if _, n, _ := g.server.Listener("web"); n != 0 {
		g.t.Errorf("the listener counts %d connections, want 0", n)
	}
}

func (g *gateway) settled(what string, want int, now func() int) {
	g.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); now() != want; <-tick.C {
		if time.Now().After(end) {
			g.t.Fatalf("%d %s, want %d", now(), what, want)
		}
	}
}
