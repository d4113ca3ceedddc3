package sidecar_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

const (
	// truthWithin is how soon after a fault the gateway serves what Consul holds.
	truthWithin = 2 * time.Second * slowness

	// noticedWithin is how soon it serves what Consul holds where nothing ever ends the fault: the agent
	// responds, and says something else. A look each 10 s finds that.
	noticedWithin = 14 * time.Second * slowness

	// agentBack bounds how long a client agent takes to find its server again.
	agentBack = time.Minute
)

// TestFaultMatrix has gateways serve while Consul suffers, each with traffic of HTTP and TCP, and changes the document
// and the instances meanwhile. No request fails, and what Consul holds is served soon after. With -v it prints a table.
//
// It is not parallel to other tests: what it measures is time.
func TestFaultMatrix(t *testing.T) {
	if _, err := binary(); err != nil {
		t.Fatal(err)
	}
	m := &matrix{}
	for i := range m.apps {
		m.apps[i] = app(t, fmt.Sprint("app ", i))
	}
	var groups sync.WaitGroup
	for _, group := range []func(*testing.T, *matrix){proxiedFaults, serverFaults} {
		groups.Go(func() { t.Run("group", func(t *testing.T) { group(t, m) }) })
	}
	groups.Wait()
	t.Log("\n" + m.table())
}

// matrix is what all faults share.
type matrix struct {
	apps [4]string // addresses: those of the three instances, and that of the document's marker

	mu sync.Mutex
	// +checklocks:mu
	lines []line
}

// line is what came of one fault.
type line struct {
	fault, injected  string
	requests, failed int
	truth, within    time.Duration
}

func (m *matrix) add(l line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, l)
}

func (m *matrix) table() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.SortFunc(m.lines, func(a, b line) int { return cmp.Compare(a.fault, b.fault) })
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tinjected\trequests\tfailed\tms to the truth\tof at most")
	for _, l := range m.lines {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n",
			l.fault, l.injected, l.requests, l.failed, l.truth.Milliseconds(), l.within.Milliseconds())
	}
	_ = w.Flush() // to memory
	return text.String()
}

// store is a Consul that several faults write to.
type store struct {
	mu     sync.Mutex
	consul *testserver.ConsulServer
}

// do makes calls, one goroutine at a time.
func (s *store) do(calls func(*testserver.ConsulServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls(s.consul)
}

// fault is one line of the matrix.
type fault struct {
	name   string
	lasts  time.Duration       // 0 = for good: the truth is found all the same
	token  func(*subject) env  // nil = the one with all rights
	begin  func(*subject)      // what goes wrong
	change func(*subject)      // what becomes true meanwhile; nil = (*subject).change
	end    func(*subject)      // what is mended; nil = only the wire is
	back   func(*subject)      // waits until what was away answers again; nil = it does at once
	served func(*subject) bool // whether the truth is; nil = (*subject).served
	within time.Duration       // 0 = truthWithin
}

// subject is a gateway that suffers a fault.
type subject struct {
	*gateway
	m       *matrix
	store   *store
	wire    *wire
	service string
	key     string
	raw     string // address of the TCP listener
	token   testserver.Token
	file    string // of the token
}

// run makes one line.
func (f fault) run(t *testing.T, m *matrix, s *store, address string) {
	t.Helper()
	b := &subject{m: m, store: s, wire: newWire(t, address), raw: testserver.Addr(t)}
	b.service = strings.NewReplacer(" ", "-", ",", "").Replace(f.name)
	b.key = "gateway/" + b.service + "/config"
	s.do(func(c *testserver.ConsulServer) {
		b.register(c, 0)
		b.register(c, 1)
		c.KVPut(b.key, b.document(b.service, ""))
	})
	environ := env{
		"CONSUL_HTTP_ADDR": b.wire.addr(), "CONSUL_HTTP_TOKEN": s.consul.Token(), "GATEWAY_SERVICE": b.service,
		"GATEWAY_ACCESS_LOG": "off",
	}
	if f.token != nil {
		maps.Copy(environ, f.token(b))
	}
	b.gateway = serve(t, environ)
	testserver.WaitFor(t, longestWait, "the first document and instances", func() bool { return b.has("c", 0, 1) })
	testserver.WaitFor(t, longestWait, "both watches to wait for news, and the first small request", b.wire.idle)
	traffic := b.trickle()

	change, served := f.change, f.served
	if change == nil {
		change = (*subject).change
	}
	if served == nil {
		served = (*subject).served
	}
	f.begin(b)
	<-time.After(f.lasts / 3)
	change(b)
	<-time.After(f.lasts * 2 / 3)
	if f.lasts > 0 {
		if f.end != nil {
			f.end(b)
		}
		b.wire.set(func(w *way) { w.rule, w.refuses, w.loses = nil, false, false })
	}
	if f.back != nil {
		f.back(b)
	}
	within := cmp.Or(f.within, truthWithin)
	begun := time.Now()
	testserver.WaitFor(t, within+longestWait, "what Consul holds to be served", func() bool { return served(b) })
	l := line{fault: f.name, injected: "for good", truth: time.Since(begun), within: within}
	if f.lasts > 0 {
		l.injected = f.lasts.String()
	}
	testserver.WaitFor(t, longestWait, "some more requests", traffic.more(10))
	var failed []string
	l.requests, failed = traffic.stop()
	l.failed = len(failed)
	m.add(l)
	if len(failed) > 0 {
		slices.Sort(failed)
		t.Errorf("%s: %d of %d requests failed: %q", f.name, l.failed, l.requests, slices.Compact(failed))
	}
	if l.truth > within {
		t.Errorf("%s: what Consul holds was served after %v, want at most %v", f.name, l.truth, within)
	}
}

// register puts the instance i into the catalog, on a node of its own.
func (b *subject) register(c *testserver.ConsulServer, i int) {
	b.registerAs(c, b.service, i)
}

func (b *subject) registerAs(c *testserver.ConsulServer, service string, i int) {
	c.RegisterNode(fmt.Sprint(service, "-", i), testserver.Service{
		ID: fmt.Sprint(service, "-", i), Name: service, Address: "127.0.0.1", Port: addressPort(b.m.apps[i]),
	})
}

func addressPort(address string) (port int) {
	_, _ = fmt.Sscanf(address[strings.LastIndexByte(address, ':')+1:], "%d", &port)
	return port
}

// document follows a service, over HTTP and over TCP.
func (b *subject) document(service, routes string) string {
	return fmt.Sprintf(`
listeners: [{name: raw, address: %q, protocol: tcp, cluster: c}]
routes:
  - {name: all, cluster: c}
%sclusters:
  - {name: c, consul: {service: %q}}
  - {name: marker, endpoints: [%q]}
`, b.raw, routes, service, b.m.apps[3])
}

// marked is a route by which a document is known.
const marked = "  - {name: marker, match: {path_prefix: /marker}, cluster: marker}\n"

// change is another document, a new instance, and one that is gone.
func (b *subject) change() {
	b.store.do(func(c *testserver.ConsulServer) {
		c.KVPut(b.key, b.document(b.service, marked))
		b.register(c, 2)
		c.DeregisterNode(fmt.Sprint(b.service, "-", 0))
	})
}

// told waits until a client agent answers what is true after change. Consul's own agents need time to find a server
// again, which says nothing of the gateway.
func (b *subject) told(agent *testserver.ConsulServer) {
	testserver.WaitFor(b.t, agentBack, "the agent to know what is true", func() bool {
		return agent.Holds(b.key, b.document(b.service, marked), b.service, addressPort(b.m.apps[1]),
			addressPort(b.m.apps[2]))
	})
}

func (b *subject) served() bool {
	return b.marked() && b.has("c", 1, 2)
}

// marked tells whether the document with the marker serves.
func (b *subject) marked() bool {
	_, body, err := fetch(b.url + "/marker")
	return err == nil && body == "app 3"
}

// has tells whether a cluster has exactly these instances.
func (b *subject) has(name string, instances ...int) bool {
	b.t.Helper()
	var want, got []string
	for _, i := range instances {
		want = append(want, b.m.apps[i])
	}
	for _, c := range b.status().Clusters {
		if c.Name == name {
			for _, e := range c.Endpoints {
				got = append(got, e.Address)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	return slices.Equal(want, got)
}

// trickle is some traffic, over HTTP on a kept connection and over TCP on new ones.
func (b *subject) trickle() *load {
	l := &load{done: make(chan struct{})}
	l.workers.Go(func() { l.pace(25*time.Millisecond, func() (int, string, error) { return fetch(b.url + "/") }) })
	raw := &http.Client{Timeout: longestWait, Transport: &http.Transport{DisableKeepAlives: true}}
	l.workers.Go(func() {
		l.pace(100*time.Millisecond, func() (int, string, error) { return fetchBy(raw, "http://"+b.raw+"/") })
	})
	b.t.Cleanup(func() { l.stop() })
	return l
}
