package sidecar_test

import (
	"cmp"
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// soak is how long TestSoak lasts: some seconds among the other tests, minutes with `make soak`.
var soak = flag.Duration("soak", 12*time.Second, "how long TestSoak lasts")

// TestSoak has a gateway serve all that it can serve at once: HTTP/1.1, HTTP/2, gRPC, WebSockets, TCP, and TLS that it
// ends or passes on. Meanwhile there is a revision each second, instances come and go in the catalog. One of them
// crashes again and again, and Consul is killed twice. No request fails, and what the gateway uses does not grow. With
// -v it prints figures.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoaked(t)
	traffic := s.traffic()
	s.suffer(*soak)
	t.Log("\n" + s.table())
	for _, l := range traffic {
		answered, failed := l.load.stop()
		if answered == 0 {
			t.Errorf("%s: no request", l.name)
		}
		t.Logf("%-30s %8d requests, %d failed", l.name, answered, len(failed))
		if len(failed) > 0 {
			slices.Sort(failed)
			t.Errorf("%s: %d of %d requests failed: %.2000q", l.name, len(failed), answered, slices.Compact(failed))
		}
	}
	if n := s.status().Revision.Rejected; n != 0 {
		t.Errorf("%d revisions rejected", n)
	}
	s.flat()
}

// soaked is a gateway under all kinds of traffic at once.
type soaked struct {
	*gateway
	t         *testing.T
	consul    *testserver.ConsulServer
	ca        *testcert.CA
	instances [3]string // addresses of the service web
	crashing  *crashing // of the service brittle, beside the first instance of web
	grpc      string    // address of a server of gRPC
	echo      string    // address of a server that returns the bytes it gets
	secret    string    // address of a server that speaks TLS
	cert, key string    // files

	secure, raw, named string // addresses of listeners

	began   time.Time
	samples []sample
}

// sample is what a gateway uses at one moment.
type sample struct {
	at                  time.Duration
	resident, heap      float64 // in MiB; the heap after a collection
	goroutines, handles float64
}

func newSoaked(t *testing.T) *soaked {
	t.Helper()
	s := &soaked{t: t, consul: testserver.Consul(t), ca: testcert.NewCA(t, "soak"),
		secure: testserver.Addr(t), raw: testserver.Addr(t), named: testserver.Addr(t)}
	pair := s.ca.Leaf(t, testcert.Leaf{DNS: []string{"soak.test"}})
	s.cert, s.key = pair.Write(t, t.TempDir(), "soak")
	for i := range s.instances {
		s.instances[i] = backend(t, http.HandlerFunc(soakedApp))
	}
	s.crashing = newCrashing(t, http.HandlerFunc(soakedApp))
	s.grpc, s.echo = grpcEcho(t), echoServer(t, nil)
	s.secret = echoServer(t, &tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}})
	for i := range s.instances {
		s.register(i)
	}
	for i, address := range []string{s.instances[0], s.crashing.address} {
		s.consul.Register(testserver.Service{ID: fmt.Sprint("brittle-", i), Name: "brittle", Port: port(t, address)})
	}
	s.consul.KVPut("gateway/app/config", s.document(0))
	s.gateway = serve(t, env{
		"CONSUL_HTTP_ADDR": s.consul.Addr(), "GATEWAY_ACCESS_LOG": "off", "GATEWAY_PPROF": "true",
		"GATEWAY_LOG_LEVEL": "warn",
	})
	return s
}

func (s *soaked) register(i int) {
	s.consul.Register(testserver.Service{ID: fmt.Sprint("web-", i), Name: "web", Port: port(s.t, s.instances[i])})
}

// document changes with n what a revision can change: routes, weights, timeouts, clusters and a listener.
func (s *soaked) document(n int) string {
	text := fmt.Sprintf(`
listeners:
  - {name: secure, address: %q, protocol: http, tls: {certificates: [{cert_file: %s, key_file: %s}]}}
  - {name: raw, address: %q, protocol: tcp, cluster: echo}
  - {name: named, address: %q, protocol: tls, sni: [{host: soak.test, cluster: secret}]}
`, s.secure, s.cert, s.key, s.raw, s.named)
	if n%2 == 1 {
		text += "  - {name: extra, address: \"127.0.0.1:0\"}\n"
	}
	return text + fmt.Sprintf(`
routes:
  - {name: calls, match: {path_prefix: /soak.Echo}, cluster: grpc}
  - {name: brittle, match: {path_prefix: /brittle}, cluster: brittle, retries: {attempts: 3, on: [connect-failure, reset]}}
  - {name: all, clusters: [{name: web, weight: %d}, {name: other-%d, weight: 1}]}
  - {name: new, match: {path_prefix: /new-%d}, cluster: web}
clusters:
  - {name: web, consul: {service: web}}
  - {name: other-%d, consul: {service: web}}
  - {name: brittle, consul: {service: brittle}}
  - {name: grpc, protocol: http2, endpoints: [%q]}
  - {name: echo, protocol: tcp, endpoints: [%q]}
  - {name: secret, protocol: tcp, endpoints: [%q]}
timeouts: {upstream: %ds}
`, 1+n%3, n%5, n, n%5, s.grpc, s.echo, s.secret, 15+n%10)
}

// suffer has a second a revision, and in it an instance that comes or goes, and one that crashes.
func (s *soaked) suffer(lasts time.Duration) {
	s.t.Helper()
	s.began = time.Now()
	kills := []time.Duration{lasts / 3, lasts * 2 / 3}
	away := min(10*time.Second, lasts/8)
	n := 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		at := time.Since(s.began)
		if at > lasts {
			break
		}
		s.sample(at)
		if len(kills) > 0 && at > kills[0] {
			kills = kills[1:]
			s.consul.Stop()
			s.crashing.crash(s.t)
			<-time.After(away)
			s.sample(time.Since(s.began))
			s.consul.Start()
		}
		n++
		s.consul.KVPut("gateway/app/config", s.document(n))
		s.flap(n)
		if n%3 == 0 {
			s.crashing.crash(s.t)
		}
	}
	s.answers(fmt.Sprintf("/new-%d", n), http.StatusOK, "hello")
	s.t.Logf("%d revisions in %v", n, time.Since(s.began).Round(time.Second))
}

// flap has one of the three instances of web go, in one of two ways, and come back at the next call.
func (s *soaked) flap(n int) {
	s.t.Helper()
	i := n / 2 % len(s.instances)
	id := fmt.Sprint("web-", i)
	switch {
	case n%2 == 1:
		s.register(i)
		s.consul.Pass(id)
	case n%4 == 0:
		s.consul.Deregister(id)
	default:
		s.consul.Critical(id)
	}
}

var (
	goroutineTotal = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapInUse      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

func (s *soaked) sample(at time.Duration) {
	s.t.Helper()
	handles, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Skip(err) // no Linux, no account
	}
	s.samples = append(s.samples, sample{
		at:         at,
		heap:       s.profile("heap?gc=1&debug=1", heapInUse) / (1 << 20),
		resident:   resident(s.t, s.gateway, "VmRSS"),
		goroutines: s.profile("goroutine?debug=1", goroutineTotal),
		handles:    float64(len(handles)),
	})
}

// profile is the number that a profile states.
func (s *soaked) profile(name string, number *regexp.Regexp) float64 {
	s.t.Helper()
	_, text, err := fetch(s.admin + "/debug/pprof/" + name)
	m := number.FindStringSubmatch(text)
	if err != nil || m == nil {
		s.t.Fatalf("%s: %v in %.100q", name, err, text)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// resources are the columns of the figures. Each may grow from the second quarter to the last by a tenth and some more.
var resources = []struct {
	name  string
	of    func(sample) float64
	slack float64
}{
	{"resident MiB", func(s sample) float64 { return s.resident }, 12},
	{"live heap MiB", func(s sample) float64 { return s.heap }, 4},
	{"goroutines", func(s sample) float64 { return s.goroutines }, 25},
	{"descriptors", func(s sample) float64 { return s.handles }, 25},
}

// quarter are the samples of one quarter of the time, counted from 0.
func (s *soaked) quarter(i int) []sample {
	return s.samples[len(s.samples)*i/4 : len(s.samples)*(i+1)/4]
}

func median(samples []sample, of func(sample) float64) float64 {
	all := make([]float64, 0, len(samples))
	for _, s := range samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// flat fails the test if the gateway uses more and more.
func (s *soaked) flat() {
	s.t.Helper()
	if len(s.samples) < 4 {
		s.t.Fatalf("%d samples are too few", len(s.samples))
	}
	for _, r := range resources {
		before, after := median(s.quarter(1), r.of), median(s.quarter(3), r.of)
		if after > 1.1*before+slowness*r.slack {
			s.t.Errorf("%s: %.1f in the second quarter, %.1f in the last", r.name, before, after)
		}
	}
}

// table shows medians of the quarters, and the largest.
func (s *soaked) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-15s %9s %9s %9s %9s %9s\n", "medians of", "quarter 1", "2", "3", "4", "largest")
	for _, r := range resources {
		fmt.Fprintf(&b, "%-15s", r.name)
		for i := range 4 {
			fmt.Fprintf(&b, " %9.1f", median(s.quarter(i), r.of))
		}
		largest := slices.MaxFunc(s.samples, func(a, b sample) int { return cmp.Compare(r.of(a), r.of(b)) })
		fmt.Fprintf(&b, " %9.1f\n", r.of(largest))
	}
	return b.String()
}
