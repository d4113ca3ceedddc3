package telemetry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaults(t *testing.T) {
	var f Faults
	if got := f.Load(); got != (FaultCounts{}) || got.String() != "" {
		t.Errorf("the zero value has %v", got)
	}
	for _, flag := range []Flag{UF, UF, UH, DC, NoFlag, numFlags} {
		f.Count(flag)
	}
	got := f.Load()
	if got[UF] != 2 || got[UH] != 1 || got[DC] != 1 || got[NoFlag] != 0 || got.Ours() != 3 {
		t.Errorf("counted %v, %d of ours", [numFlags]uint64(got), got.Ours())
	}
	if got.String() != "UH 1, UF 2" {
		t.Errorf("written %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { f.Count(UF) }); n > 0 {
		t.Errorf("a fault that is not the first makes %v allocations", n)
	}
}

// A mark has the minute before it, or all where that is too few.
func TestMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go r.KeepRates(ctx)
		route, listener := r.Route("a"), r.Listener("db", L4)
		count := func(requests, faults int) {
			for range requests {
				route.Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
				listener.Accepted.Inc()
			}
			for range faults {
				route.Faults.Count(UF)
				listener.Faults.Count(UF)
			}
		}
		count(100, 50)
		<-time.After(2 * time.Minute)
		count(10, 1)
		m := r.Mark()
		count(1000, 1000) // after it
		for _, row := range []struct{ least, requests, faults uint64 }{{10, 10, 1}, {11, 110, 51}} {
			for name, o := range map[string]Outcomes{
				"route": m.Route(route, row.least), "listener": m.Listener(listener, row.least),
			} {
				if o.Requests != row.requests || o.Faults.Ours() != row.faults {
					t.Errorf("%s, at least %d: %+v, want %d requests and %d faults", name, row.least, o, row.requests,
						row.faults)
				}
			}
		}
		if o := m.Route(r.Route("other"), 20); o != (Outcomes{}) {
			t.Errorf("a route without requests has %+v", o)
		}
	})
}
