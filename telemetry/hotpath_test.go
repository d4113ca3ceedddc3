package telemetry

import (
	"testing"
	"time"
)

// Recording is on the path of every request: it must not allocate.
func TestRecordingDoesNotAllocate(t *testing.T) {
	r := NewRegistry()
	route, cluster, listener := r.Route("a"), r.Cluster("a"), r.Listener("a", L7)
	tunnel := r.Listener("b", L4).Tunnel("a")
	for name, record := range map[string]func(){
		"Route.Record":          func() { route.Record(MethodGet, 200, SchemeHTTPS, 3*time.Millisecond) },
		"Route.Record 503":      func() { route.Record(MethodOther, 503, SchemeHTTP, time.Minute) },
		"Cluster.RecordRequest": func() { cluster.RecordRequest(200, 3*time.Millisecond) },
		"Cluster.RecordFailure": func() { cluster.RecordFailure(UT, 3*time.Second) },
		"Cluster.RecordConnect": func() { cluster.RecordConnect(time.Millisecond, true) },
		"Cluster.Retries":       func() { cluster.Retries.Inc() },
		"Listener.Requests":     func() { u := listener.Requests(MethodPost, SchemeHTTP); u.Inc(); u.Dec() },
		"Listener.Active":       func() { listener.Accepted.Inc(); listener.Active.Inc(); listener.Active.Dec() },
		"Listener.Handshake":    func() { listener.Handshake(0x0304) },
		"Tunnel.ToUpstream":     func() { tunnel.ToUpstream.Add(4096) },
		"Tunnel.Record":         func() { tunnel.Record(time.Hour) },
		"Registry.Fault":        func() { r.Fault(UH).Inc() },
		"Registry.Discovery":    func() { r.DiscoveryErrors(DiscoveryTransport).Inc() },
	} {
		record() // the first makes the series
		if n := testing.AllocsPerRun(100, record); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func BenchmarkRouteRecord(b *testing.B) {
	r := NewRegistry().Route("a")
	b.ReportAllocs()
	for b.Loop() {
		r.Record(MethodGet, 200, SchemeHTTP, 300*time.Microsecond)
	}
}

func BenchmarkRouteRecordSlow(b *testing.B) {
	r := NewRegistry().Route("a")
	b.ReportAllocs()
	for b.Loop() {
		r.Record(MethodGet, 200, SchemeHTTP, time.Minute)
	}
}

// Ten thousand routes in turn: what counts here is how many cache lines one
// record touches.
func BenchmarkRouteRecordManyRoutes(b *testing.B) {
	reg := NewRegistry()
	routes := make([]*Route, 10_000)
	for i := range routes {
		routes[i] = reg.Route(string(rune('a'+i%26)) + time.Duration(i).String())
		routes[i].Record(MethodGet, 200, SchemeHTTP, 0)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		routes[i%len(routes)].Record(MethodGet, 200, SchemeHTTP, 300*time.Microsecond)
		i += 7919
	}
}

func BenchmarkClusterRecordRequest(b *testing.B) {
	c := NewRegistry().Cluster("a")
	b.ReportAllocs()
	for b.Loop() {
		c.RecordRequest(200, 300*time.Microsecond)
	}
}

// What one export costs besides the sending.
func BenchmarkProduce(b *testing.B) {
	reg := NewRegistry()
	for i := range 1000 {
		reg.Route(time.Duration(i).String()).Record(MethodGet, 200, SchemeHTTP, 0)
	}
	p := newProducer(reg, "", cumulative)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Produce(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
