package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

var (
	cumulative = metric.CumulativeTemporalitySelector
	deltas     = metric.DeltaTemporalitySelector
	lowMemory  = metric.LowMemoryTemporalitySelector
)

// fill uses every instrument once or twice.
func fill(r *Registry) {
	api := r.Route("api")
	api.Record(MethodGet, 200, SchemeHTTP, 5*time.Millisecond)
	api.Record(MethodGet, 200, SchemeHTTP, 6*time.Millisecond)
	api.Record(MethodPost, 503, SchemeHTTPS, time.Minute)
	r.Route("").Record(MethodOther, 404, SchemeHTTP, 0)
	r.Route("").Record(MethodGet, 0, SchemeHTTP, 0)

	web := r.Listener("web", L7)
	web.Accepted.Add(3)
	web.Active.n.Add(2)
	web.Requests(MethodGet, SchemeHTTP).Inc()
	web.Handshake(0x0304)
	web.HandshakeFailed(0, "x")
	mysql := r.Listener("mysql", L4).Tunnel("db")
	mysql.ToUpstream.Add(10)
	mysql.ToDownstream.Add(2000)
	mysql.Record(time.Hour)

	users := r.Cluster("users")
	users.RecordRequest(200, 250*time.Millisecond)
	users.RecordRequest(404, time.Millisecond)
	users.RecordFailure(UT, 10*time.Second)
	users.RecordFailure(NoFlag, 0)
	users.RecordConnect(time.Millisecond, true)
	users.RecordConnect(2*time.Second, false)
	users.Retries.Inc()
	users.Overflow.Add(2)
	users.Mirror.Dropped[MirrorBusy].Inc()
	users.Mirror.Dropped[MirrorBody].Add(2)
	users.Mirror.Dropped[MirrorFailed].Add(3)
	users.Ejections.Add(3)
	users.SetEndpoints(func() (int, int, int) { return 5, 1, 2 })
	users.SetPanic(func() bool { return true })
	users.SetFailover(func() bool { return true })
	users.SetNear(func() float64 { return 0.75 })
	users.SetHeld(func() int { return 4 })

	r.ConnectionLimit(480)
	r.Fault(NR).Inc()
	r.Fault(NoFlag).Inc()
	r.Panics.Recovered(L7, hclog.NewNullLogger(), "a request", "", nil)
	r.RevisionInfo("4f2a")
	r.RevisionApplied.Add(2)
	r.RevisionRejected("invalid").Inc()
	r.RevisionHeld("waiting")
	r.RevisionRolledBack.Inc()
	r.DiscoveryErrors(DiscoveryACL).Inc()
	r.SetDiscoveryAge(func() time.Duration { return 1500 * time.Millisecond })
	r.SetDescriptors(func() (used, most int64) { return 70, 1024 })
	r.SetRevisionAge(func() time.Duration { return time.Minute })
	failing, well := NewEndpoint("users", "10.0.0.1:80"), NewEndpoint("users", "10.0.0.2:80")
	for _, failed := range []bool{true, false, true} {
		failing.Record(time.Second, failed)
		well.Record(time.Second, false)
	}
	r.SetEndpoints(func(f func(*Endpoint)) { f(well); f(failing) })
	r.SetCertificates(func() []Certificate {
		return []Certificate{{"a.pem", time.Now().Add(time.Hour)}, {"old.pem", time.Now().Add(-time.Minute)}}
	})
	r.AccessLogDropped.Add(7)
	r.SpansDropped.Add(8)
}

// everything is what fill makes, as the collector gets it. Series that stay zero
// are left out of the list, and so are the Go runtime's values.
const everything = `
http.server.request.duration s histogram cumulative: Duration of HTTP server requests.
  http.request.method=GET http.response.status_code=200 http.route=api url.scheme=http: 2 in 0.011s, 1 at 0.005 1 at 0.01
  http.request.method=POST error.type=503 http.response.status_code=503 http.route=api url.scheme=https: 1 in 60s, 1 above
  http.request.method=_OTHER http.response.status_code=404 url.scheme=http: 1 in 0s, 1 at 0.005
  error.type=_OTHER http.request.method=GET url.scheme=http: 1 in 0s, 1 at 0.005
http.server.active_requests {request} sum cumulative: Number of active HTTP server requests.
  gateway.listener=web http.request.method=GET url.scheme=http: 1
http.client.request.duration s histogram cumulative: Duration of HTTP client requests.
  gateway.cluster=users http.response.status_code=200: 1 in 0.25s, 1 at 0.25
  error.type=404 gateway.cluster=users http.response.status_code=404: 1 in 0.001s, 1 at 0.005
  error.type=UT gateway.cluster=users: 1 in 10s, 1 at 10
  error.type=_OTHER gateway.cluster=users: 1 in 0s, 1 at 0.005
gateway.connections {connection} sum cumulative: Number of client connections that are open.
  gateway.listener=web gateway.plane=l7: 2
gateway.connections.accepted {connection} monotonic sum cumulative: Number of client connections accepted.
  gateway.listener=web gateway.plane=l7: 3
gateway.connections.limit {connection} gauge: Number of client connections that may be open at a time.
  : 480
gateway.descriptors {descriptor} gauge: Number of file descriptors that the process has open.
  : 70
gateway.descriptors.limit {descriptor} gauge: Number of file descriptors that the process may have open.
  : 1024
gateway.l4.io By monotonic sum cumulative: Bytes forwarded on L4 connections.
  gateway.cluster=db gateway.direction=upstream gateway.listener=mysql: 10
  gateway.cluster=db gateway.direction=downstream gateway.listener=mysql: 2000
gateway.l4.connection.duration s histogram cumulative: Duration of L4 connections.
  gateway.cluster=db gateway.listener=mysql: 1 in 3600s, 1 at 3600
gateway.tls.handshakes {handshake} monotonic sum cumulative: Number of TLS handshakes with clients.
  gateway.listener=web gateway.result=error: 1
  gateway.listener=web gateway.result=ok tls.protocol.version=1.3: 1
gateway.upstream.connect.duration s histogram cumulative: Duration of connecting to an endpoint, TLS included.
  gateway.cluster=users: 1 in 0.001s, 1 at 0.005
  error.type=UF gateway.cluster=users: 1 in 2s, 1 at 2.5
gateway.upstream.retries {retry} monotonic sum cumulative: Number of attempts after the first.
  gateway.cluster=users: 1
gateway.upstream.overflow {request} monotonic sum cumulative: Number of requests and connections refused by a limit of the cluster.
  gateway.cluster=users: 2
gateway.mirror.dropped {request} monotonic sum cumulative: Number of copies of requests that the cluster did not get, or did not answer, by reason.
  gateway.cluster=users gateway.reason=busy: 1
  gateway.cluster=users gateway.reason=body: 2
  gateway.cluster=users gateway.reason=failed: 3
gateway.upstream.ejections {ejection} monotonic sum cumulative: Number of times an endpoint was ejected for failing.
  gateway.cluster=users: 3
gateway.upstream.endpoints {endpoint} gauge: Number of endpoints by state.
  gateway.cluster=users gateway.state=healthy: 5
  gateway.cluster=users gateway.state=ejected: 1
  gateway.cluster=users gateway.state=unhealthy: 2
gateway.endpoint.errors {error} monotonic sum cumulative: Number of attempts that failed or got a 5xx.
  gateway.cluster=users gateway.endpoint=10.0.0.1:80: 2
gateway.upstream.panic 1 gauge: 1 while endpoints are used that are not healthy because none is.
  gateway.cluster=users: 1
gateway.failover.active 1 gauge: 1 while another cluster stands in for one without a usable endpoint.
  gateway.cluster=users: 1
gateway.prefer.share 1 gauge: Share of requests that goes to the endpoints of the same node or zone, of clusters that prefer those.
  gateway.cluster=users: 0.75
gateway.upstream.held {endpoint} gauge: Number of endpoints that are used for a while after the catalog lost them.
  gateway.cluster=users: 4
gateway.faults {fault} monotonic sum cumulative: Number of requests and connections that ended badly, by flag.
  gateway.flag=NR: 1
gateway.panics.recovered {panic} monotonic sum cumulative: Number of faults of the gateway itself, each of which ended one request or connection.
  gateway.plane=l7: 1
gateway.tls.certificate.expiry s gauge: Time until the certificate expires; negative once it has.
  gateway.certificate=a.pem: 3600
  gateway.certificate=old.pem: -60
gateway.certificate.expired {certificate} gauge: 1 once the certificate has expired, else 0.
  gateway.certificate=old.pem: 1
gateway.revision.info 1 gauge: Always 1; the attribute names the revision that serves.
  gateway.revision=4f2a: 1
gateway.revision.applied {revision} monotonic sum cumulative: Number of revisions that came into service.
  : 2
gateway.revision.rejected {revision} monotonic sum cumulative: Number of revisions refused, by reason.
  gateway.reason=invalid: 1
gateway.revision.held 1 gauge: 1 while a revision is not applied because it would take the endpoints from what serves.
  gateway.state=waiting: 1
gateway.revision.rolled_back {revision} monotonic sum cumulative: Number of revisions that were taken out of service again since they made requests fail.
  : 1
gateway.revision.age s gauge: Age of what serves from the state directory; only until the source delivers.
  : 60
gateway.discovery.errors {error} monotonic sum cumulative: Number of errors of the source of documents and endpoints.
  error.type=acl: 1
gateway.discovery.age s gauge: Time since the source of documents and endpoints last answered.
  : 1.5
gateway.access_log.dropped {line} monotonic sum cumulative: Number of lines of the access log lost to a full buffer.
  : 7
gateway.spans.dropped {span} monotonic sum cumulative: Number of spans that were lost: too many waited, or the collector did not take them.
  : 8
go.memory.used By sum cumulative: Memory used by the Go runtime.
go.memory.allocated By monotonic sum cumulative: Memory allocated to the heap by the application.
go.memory.allocations {allocation} monotonic sum cumulative: Count of allocations to the heap by the application.
go.memory.gc.goal By sum cumulative: Heap size target for the end of the GC cycle.
go.goroutine.count {goroutine} sum cumulative: Count of live goroutines.
`

func TestEveryMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		fill(r)
		scopes := collect(t, newProducer(r, "1.2.3", cumulative))
		if len(scopes) != 1 || scopes[0].Scope.Name != scopeName || scopes[0].Scope.Version != "1.2.3" {
			t.Errorf("scopes = %v, want one with our name and version", scopes)
		}
		compare(t, render(scopes), sortAttributes(everything))
	})
}

// The boundaries are part of what a metric is.
func TestBuckets(t *testing.T) {
	r := NewRegistry()
	fill(r)
	for name, want := range map[string]string{
		"http.server.request.duration":      "[0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10]",
		"http.client.request.duration":      "[0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10]",
		"gateway.upstream.connect.duration": "[0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10]",
		"gateway.l4.connection.duration":    "[0.01 0.05 0.25 1 5 15 60 300 900 1800 3600 10800 43200 86400]",
	} {
		for _, p := range find[metricdata.Histogram[float64]](t, collect(t, newProducer(r, "", cumulative)),
			name).DataPoints {
			if got := fmt.Sprint(p.Bounds); got != want {
				t.Errorf("%s: bounds = %s, want %s", name, got, want)
			}
			if len(p.BucketCounts) != len(p.Bounds)+1 {
				t.Errorf("%s: %d buckets for %d bounds", name, len(p.BucketCounts), len(p.Bounds))
			}
		}
	}
}

func TestGaugesComeAndGo(t *testing.T) {
	r := NewRegistry()
	p := newProducer(r, "", cumulative)
	c := r.Cluster("a")
	over := r.Cluster(Overflow)
	set := func(on bool) {
		if !on {
			c.SetEndpoints(nil)
			c.SetPanic(nil)
			c.SetFailover(nil)
			c.SetNear(nil)
			r.SetDiscoveryAge(nil)
			r.SetCertificates(nil)
			r.SetEndpoints(func(func(*Endpoint)) {})
			return
		}
		c.SetEndpoints(func() (int, int, int) { return 1, 0, 0 })
		c.SetPanic(func() bool { return false })
		c.SetFailover(func() bool { return false })
		over.SetFailover(func() bool { return true })
		c.SetNear(func() float64 { return 0 })
		over.SetNear(func() float64 { return 1 })
		over.SetEndpoints(func() (int, int, int) { return 1, 0, 0 })
		over.SetPanic(func() bool { return false })
		r.SetDiscoveryAge(func() time.Duration { return 0 })
		r.SetCertificates(func() []Certificate { return make([]Certificate, maxCertificates+1) })
		r.SetEndpoints(func(f func(*Endpoint)) {
			for i := range maxFailing + 1 {
				e := NewEndpoint("a", fmt.Sprint(i))
				e.Record(0, true)
				f(e)
			}
		})
	}
	names := []string{"gateway.upstream.endpoints", "gateway.upstream.panic", "gateway.failover.active",
		"gateway.prefer.share", "gateway.discovery.age", "gateway.tls.certificate.expiry",
		"gateway.certificate.expired", "gateway.endpoint.errors"}
	for _, tt := range []struct {
		on   bool
		want string
	}{{true, "[3 1 1 1 1 1000 1000 1000]"}, {false, "[0 0 0 0 0 0 0 0]"}, {true, "[3 1 1 1 1 1000 1000 1000]"}} {
		set(tt.on)
		scopes, got := collect(t, p), []int{}
		for _, name := range names {
			got = append(got, points(scopes, name))
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("points of %v = %v, want %s", names, got, tt.want)
		}
	}
	r.SetDiscoveryAge(func() time.Duration { return -1 })
	if n := points(collect(t, p), "gateway.discovery.age"); n != 0 {
		t.Errorf("a source that never answered has %d ages, want none", n)
	}
	r.RevisionInfo("one")
	r.RevisionInfo("two")
	info := find[metricdata.Gauge[int64]](t, collect(t, p), "gateway.revision.info").DataPoints
	if len(info) != 1 || attributes(info[0].Attributes) != "gateway.revision=two" {
		t.Errorf("revision info = %v, want just the last", info)
	}
}

func TestDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry()
		p := newProducer(r, "", deltas)
		start := time.Now()
		route, listener := r.Route("a"), r.Listener("web", L7)
		listener.Active.Inc()

		// step records n requests and compares what is exported of them.
		step := func(n int, since time.Time, want uint64) {
			t.Helper()
			<-time.After(time.Minute)
			for range n {
				route.Record(MethodGet, 200, SchemeHTTP, time.Second)
				listener.Accepted.Inc()
			}
			scopes := collect(t, p)
			if active := find[metricdata.Sum[int64]](t, scopes,
				"gateway.connections"); active.Temporality != metricdata.CumulativeTemporality ||
				active.DataPoints[0].Value != 1 {
				t.Errorf("a level is %v, want cumulative 1", active)
			}
			if want == 0 {
				if points(scopes, "http.server.request.duration") != 0 ||
					points(scopes, "gateway.connections.accepted") != 0 {
					t.Errorf("nothing happened, and yet there are points")
				}
				return
			}
			h := find[metricdata.Histogram[float64]](t, scopes, "http.server.request.duration")
			s := find[metricdata.Sum[int64]](t, scopes, "gateway.connections.accepted")
			if h.Temporality != metricdata.DeltaTemporality || s.Temporality != metricdata.DeltaTemporality {
				t.Errorf("temporality = %v and %v, want delta", h.Temporality, s.Temporality)
			}
			hp, sp := h.DataPoints[0], s.DataPoints[0]
			if hp.Count != want || hp.Sum != float64(want) || hp.BucketCounts[9] != want || sp.Value != int64(want) {
				t.Errorf("histogram %d in %vs, sum %d; want %d", hp.Count, hp.Sum, sp.Value, want)
			}
			if !hp.StartTime.Equal(since) || !sp.StartTime.Equal(since) || !hp.Time.Equal(time.Now()) {
				t.Errorf("from %v to %v, want from %v to %v", hp.StartTime, hp.Time, since, time.Now())
			}
		}

		step(2, start, 2)
		step(1, start, 3) // the first did not arrive
		p.commit()
		first := time.Now()
		step(0, first, 0)
		p.commit()
		second := time.Now()
		step(4, second, 4)
		step(0, second, 4)
	})
}

func TestLowMemoryPreference(t *testing.T) {
	r := NewRegistry()
	fill(r)
	scopes := collect(t, newProducer(r, "", lowMemory))
	for name, want := range map[string]metricdata.Temporality{
		"gateway.faults":      metricdata.DeltaTemporality,      // we count it
		"go.memory.allocated": metricdata.CumulativeTemporality, // the runtime does
		"gateway.connections": metricdata.CumulativeTemporality, // a level
	} {
		if got := find[metricdata.Sum[int64]](t, scopes, name).Temporality; got != want {
			t.Errorf("%s: temporality = %v, want %v", name, got, want)
		}
	}
}

// One message must stay below what a collector takes, and lose nothing.
func TestManySeriesAreSplit(t *testing.T) {
	r := NewRegistry()
	const routes = 2*maxPoints + 500
	for i := range routes {
		r.Route(fmt.Sprint("route-", i)).Record(MethodGet, 200, SchemeHTTP, 0)
	}
	scopes := collect(t, newProducer(r, "", cumulative))
	if len(scopes) != 3 {
		t.Errorf("%d scopes, want 3", len(scopes))
	}
	seen := map[string]bool{}
	for _, s := range scopes {
		if n := points([]metricdata.ScopeMetrics{s}, ""); n > maxPoints {
			t.Errorf("a scope has %d points, want at most %d", n, maxPoints)
		}
		for _, m := range s.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
				for _, p := range h.DataPoints {
					seen[attributes(p.Attributes)] = true
				}
			}
		}
	}
	if len(seen) != routes {
		t.Errorf("%d series, want %d", len(seen), routes)
	}
}

// For the race detector, and for totals that add up.
func TestRecordingWhileCollecting(t *testing.T) {
	r := NewRegistry()
	p := newProducer(r, "", deltas)
	const writers, each = 4, 2000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				route := r.Route(fmt.Sprint("route-", j%10))
				route.Record(Method(j%12), 100+j%510, Scheme(j%2), time.Duration(j)*time.Millisecond)
				c := r.Cluster(fmt.Sprint("cluster-", j%10))
				c.RecordRequest(100+j%510, 0)
				c.RecordFailure(Flag(j%12), 0)
				c.SetEndpoints(func() (int, int, int) { return j, 0, 0 })
				l := r.Listener(fmt.Sprint("listener-", i), Plane(j%2))
				l.Requests(Method(j%12), SchemeHTTP).Inc()
				l.Tunnel(fmt.Sprint(j % 10)).Record(time.Second)
				r.RevisionInfo(fmt.Sprint(j))
				r.RevisionRejected(fmt.Sprint(j % 3)).Inc()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var total uint64
	take := func() {
		scopes := collect(t, p)
		p.commit()
		for _, s := range scopes {
			for _, m := range s.Metrics {
				if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == serverDuration.name {
					for _, point := range h.DataPoints {
						total += point.Count
					}
				}
			}
		}
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			take()
		}
	}
	take()
	if total != writers*each {
		t.Errorf("the deltas add up to %d, want %d", total, writers*each)
	}
}

// collect asks for p's metrics as the SDK does.
func collect(t *testing.T, p *producer) []metricdata.ScopeMetrics {
	t.Helper()
	reader := metric.NewManualReader(metric.WithProducer(p))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return rm.ScopeMetrics
}

func find[A metricdata.Aggregation](t *testing.T, scopes []metricdata.ScopeMetrics, name string) A {
	t.Helper()
	for _, s := range scopes {
		for _, m := range s.Metrics {
			if m.Name == name {
				return m.Data.(A)
			}
		}
	}
	t.Fatalf("there is no %s", name)
	panic("unreachable")
}

// points counts the points of the named metric, or of all if name is empty.
func points(scopes []metricdata.ScopeMetrics, name string) (n int) {
	for _, s := range scopes {
		for _, m := range s.Metrics {
			if name != "" && m.Name != name {
				continue
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				n += len(d.DataPoints)
			case metricdata.Gauge[int64]:
				n += len(d.DataPoints)
			case metricdata.Gauge[float64]:
				n += len(d.DataPoints)
			case metricdata.Histogram[float64]:
				n += len(d.DataPoints)
			}
		}
	}
	return n
}

// render writes metrics in the form of everything.
func render(scopes []metricdata.ScopeMetrics) string {
	var b strings.Builder
	for _, s := range scopes {
		for _, m := range s.Metrics {
			line := func(set attribute.Set, value any) {
				if v := fmt.Sprint(value); v != "0" && !strings.HasPrefix(m.Name, "go.") {
					fmt.Fprintf(&b, "  %s: %s\n", attributes(set), v)
				}
			}
			head := func(kind string, temporality fmt.Stringer) {
				if temporality != nil {
					kind += " " + strings.ToLower(strings.TrimSuffix(temporality.String(), "Temporality"))
				}
				fmt.Fprintf(&b, "%s %s %s: %s\n", m.Name, m.Unit, kind, m.Description)
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				kind := "sum"
				if d.IsMonotonic {
					kind = "monotonic sum"
				}
				head(kind, d.Temporality)
				for _, p := range d.DataPoints {
					line(p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				head("gauge", nil)
				for _, p := range d.DataPoints {
					line(p.Attributes, p.Value)
				}
			case metricdata.Gauge[float64]:
				head("gauge", nil)
				for _, p := range d.DataPoints {
					line(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				head("histogram", d.Temporality)
				for _, p := range d.DataPoints {
					line(p.Attributes, fmt.Sprintf("%d in %gs,%s", p.Count, p.Sum, buckets(p)))
				}
			}
		}
	}
	return b.String()
}

func buckets(p metricdata.HistogramDataPoint[float64]) (s string) {
	for i, n := range p.BucketCounts {
		switch {
		case n == 0:
		case i < len(p.Bounds):
			s += fmt.Sprintf(" %d at %g", n, p.Bounds[i])
		default:
			s += fmt.Sprintf(" %d above", n)
		}
	}
	return s
}

func attributes(set attribute.Set) string {
	var all []string
	for _, kv := range set.ToSlice() {
		all = append(all, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(all, " ")
}

// sortAttributes lets the text above name attributes in any order.
func sortAttributes(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(text, "\n")) {
		if attrs, value, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(attrs, "  ") {
			all := strings.Fields(attrs)
			slices.Sort(all)
			line = "  " + strings.Join(all, " ") + ": " + value
		}
		b.WriteString(line)
	}
	return b.String()
}

// compare reports the lines that are in one text only. Metrics keep the order of
// the text; their points need not.
func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := blocks(got), blocks(want)
	for line := range g {
		if !w[line] {
			t.Errorf("not wanted: %s", line)
		}
	}
	for line := range w {
		if !g[line] {
			t.Errorf("missing:    %s", line)
		}
	}
}

// blocks puts the metric's name before each of its points.
func blocks(text string) map[string]bool {
	all, metric := map[string]bool{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "  ") {
			metric, _, _ = strings.Cut(line, " ")
			all[line] = true
			continue
		}
		all[metric+line] = true
	}
	return all
}
