package telemetry

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// Rates are those of the last minute, and of what there is before the first is over.
func TestRatesOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go r.KeepRates(ctx)
		count := func(n int) {
			for range n {
				r.Route("a").Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
			}
		}
		requests := func(wantSeconds float64, want uint64) {
			t.Helper()
			got := r.Rates()
			if got.Total.Requests != want || got.Seconds != wantSeconds {
				t.Errorf("%d requests in %v s, want %d in %v", got.Total.Requests, got.Seconds, want, wantSeconds)
			}
		}
		after := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		requests(0, 0)
		count(3)
		after(2 * time.Second)
		requests(2, 3)
		count(4)
		after(50 * time.Second)
		requests(52, 7)
		after(7 * time.Second) // 59 s
		requests(59, 7)
		count(5)
		after(2 * time.Second) // 61 s
		requests(61, 12)
		after(5 * time.Second) // 66 s: the sample of 5 s is the oldest
		requests(61, 5)
		after(52 * time.Second) // 118 s: that of 55 s
		requests(63, 5)
		after(2 * time.Second) // 120 s: that of 60 s
		requests(60, 0)
	})
}

func TestRatesByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		ok := func(route string, n int) {
			for range n {
				r.Route(route).Record(MethodGet, 200, SchemeHTTP, 150*time.Microsecond)
			}
		}
		ok("b", 2)
		ok("a", 2)
		ok("busy", 96)
		r.Route("busy").Record(MethodPost, 503, SchemeHTTP, 30*time.Millisecond)
		r.Route("busy").Record(MethodPost, 404, SchemeHTTPS, 30*time.Millisecond)
		r.Route("busy").RecordCall(14, SchemeHTTP, 30*time.Millisecond)
		r.Route("busy").RecordCall(0, SchemeHTTP, 30*time.Millisecond)
		r.Route("quiet")
		r.Fault(UH).Inc()
		r.Cluster("c").RecordRequest(500, 150*time.Microsecond)
		r.Cluster("c").RecordFailure(UT, 30*time.Millisecond)
		r.Cluster("quiet")
		r.Cluster("full").Overflow.Inc()
		r.Listener("web", L7).Handshake(0x0304)
		r.Listener("web", L7).HandshakeFailed(0, "first")
		r.Listener("web", L7).HandshakeFailed(0x0303, "last")
		r.Listener("plain", L7)
		r.AccessLogDropped.Add(3)
		<-time.After(10 * time.Second)
		got := r.Rates()
		none := map[string]uint64{}
		want := Rates{
			Seconds: 10,
			Total: Rate{Requests: 104, PerSecond: 10.4,
				Errors: map[string]uint64{"4xx": 1, "5xx": 1, "grpc": 1, "UH": 1}, P50MS: 0.152,
				P99MS: 43.499},
			Routes: []NamedRate{
				{"busy", Rate{Requests: 100, PerSecond: 10, Errors: map[string]uint64{"4xx": 1, "5xx": 1, "grpc": 1},
					P50MS: 0.152,
					P99MS: 43.75}},
				{"a", Rate{Requests: 2, PerSecond: 0.2, Errors: none, P50MS: 0.15, P99MS: 0.199}},
				{"b", Rate{Requests: 2, PerSecond: 0.2, Errors: none, P50MS: 0.15, P99MS: 0.199}},
			},
			Clusters: []NamedRate{
				{"c", Rate{Requests: 2, PerSecond: 0.2, Errors: map[string]uint64{"5xx": 1, "UT": 1}, P50MS: 0.2,
					P99MS: 49.5}},
				{"full", Rate{Errors: map[string]uint64{"UO": 1}}},
			},
			Listeners:    []HandshakeRate{{Name: "web", Done: 1, Failed: 2, Reason: "last"}},
			LogLinesLost: 3,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("rates\n%+v, want\n%+v", got, want)
		}
	})
}

// Of more names than are told, the busiest are.
func TestRatesAreBounded(t *testing.T) {
	r := NewRegistry()
	for i := range 300 {
		for range i {
			r.Cluster(string(rune('a'+i%26))+time.Duration(i).String()).RecordRequest(200, time.Millisecond)
		}
	}
	got := r.Rates().Clusters
	if len(got) != 100 || got[0].Requests != 299 || got[99].Requests != 200 {
		t.Errorf("%d clusters, of %d to %d requests; want 100, of 299 to 200", len(got), got[0].Requests,
			got[len(got)-1].Requests)
	}
}

func TestEndpointRates(t *testing.T) {
	r := NewRegistry()
	busy, quiet := NewEndpoint("users", "10.0.0.1:80"), NewEndpoint("users", "10.0.0.2:80")
	r.SetEndpoints(func(f func(*Endpoint)) { f(busy); f(quiet) })
	for i := range 10 {
		busy.Record(150*time.Microsecond, i == 0)
	}
	want := map[*Endpoint]EndpointRate{busy: {Requests: 10, Errors: 1, P50MS: 0.15, P99MS: 0.199}}
	if got := r.EndpointRates(); !reflect.DeepEqual(got, want) {
		t.Errorf("rates %+v, want %+v", got, want)
	}
}

func BenchmarkSample(b *testing.B) {
	r := NewRegistry()
	for i := range 1000 {
		name := time.Duration(i).String()
		r.Route(name).Record(MethodGet, 200, SchemeHTTP, time.Millisecond)
		r.Cluster(name).RecordRequest(200, time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.sample(time.Now())
	}
}
