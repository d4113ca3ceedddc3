package sidecar_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// encrypted is the document's line of a listener with TLS, beside the default one, and its address.
func encrypted(t testing.TB) (listeners, address string) {
	t.Helper()
	cert, key := testcert.NewCA(t, "root").Server(t, "gateway.test").Write(t, t.TempDir(), "web")
	address = testserver.Addr(t)
	return fmt.Sprintf("listeners: [{name: secure, address: %q, tls: {certificates: [{cert_file: %q, "+
		"key_file: %q}]}}]\n", address, cert, key), address
}

// While weights and clusters change, h2load gets an answer to each of its requests, encrypted and in the clear.
func TestH2loadWhileRevisionsChange(t *testing.T) {
	listeners, address := encrypted(t)
	endpoints := []string{testserver.Nginx(t, `location / { return 200 "hello\n"; }`).Addr(),
		testserver.Nginx(t, `location / { return 200 "hello\n"; }`).Addr()}
	document := func(n int) string {
		return fmt.Sprintf(`%s
routes: [{name: all, clusters: [{name: one, weight: %d}, {name: other-%d, weight: 1}]}]
clusters: [{name: one, endpoints: [{address: %q, weight: %d}, %q]}, {name: other-%d, endpoints: [%q]}]
`, listeners, n%3, n%4, endpoints[0], n%5, endpoints[1], n%4, endpoints[n%2])
	}
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, document(0))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG": "off"})
	applied := g.status().Revision.Applied
	for n, url := range []string{"https://" + address, g.url} {
		load, before := startH2load(t, 20_000, url), applied
		for load.reached(10); !load.over(); {
			applied++
			write(t, path, document(2*applied+n))
			g.wait("the revision", func(s status) bool { return s.Revision.Applied == applied })
		}
		load.most(0)
		if applied < before+3 {
			t.Errorf("%s: only %d revisions under load", url, applied-before)
		}
	}
}

// One of two backends is killed under load and comes back; then it is the other's turn. What was in flight on it is
// asked of the other, and h2load does not notice. Where the route does not ask for that, it is all that is lost.
func TestH2loadWhileABackendDies(t *testing.T) {
	listeners, address := encrypted(t)
	a, b := testserver.Nginx(t, `location / { return 200 "a"; }`), testserver.Nginx(t, `location / { return 200 "b"; }`)
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, fmt.Sprintf(`%s
routes: [{name: all, cluster: c, retries: {attempts: 2, on: [connect-failure, reset]}}, {name: once, match: {path_prefix: /once}, cluster: c}]
clusters: [{name: c, endpoints: [%q, %q], passive_health: {base_ejection: 10ms}}]
`, listeners, a.Addr(), b.Addr()))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG": "off"})
	for _, tt := range []struct {
		url    string
		victim *testserver.NginxServer
		failed int
	}{
		{"https://" + address, a, 0},
		{"https://" + address, b, 0},
		{g.url, a, 0},
		{g.url, b, 0},
		{g.url + "/once", a, h2loadInFlight},
	} {
		load := startH2load(t, 10_000, tt.url)
		load.reached(20)
		tt.victim.Stop()
		load.reached(50)
		tt.victim.Start()
		load.most(tt.failed)
		testserver.WaitFor(t, longestWait, "both backends to answer", func() bool { return len(g.split("/", 4)) == 2 })
	}
}

// h2loadInFlight is how many requests h2load has on their way: on 16 connections with 10 streams each.
const h2loadInFlight = 16 * 10

// h2load is a load generator of HTTP/2: so many requests, h2loadInFlight at a time.
type h2load struct {
	t     testing.TB
	ended chan struct{} // closed when it has ended, with err set
	err   error

	mu sync.Mutex
	// +checklocks:mu
	said strings.Builder
}

func startH2load(t testing.TB, requests int, url string) *h2load {
	t.Helper()
	l := &h2load{t: t, ended: make(chan struct{})}
	cmd := exec.Command(testserver.Binary(t, "h2load"), "-n", strconv.Itoa(requests), "-c16", "-m10", url)
	cmd.Stdout, cmd.Stderr = l, l
	cmd.SysProcAttr = testserver.DieWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(l.ended)
		l.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // mostly it has ended
		<-l.ended
	})
	return l
}

// Write takes what it prints.
func (l *h2load) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

func (l *h2load) report() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

// over tells whether it has ended.
func (l *h2load) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// reached waits until so many tens of percent of the requests were answered.
func (l *h2load) reached(percent int) {
	l.t.Helper()
	testserver.WaitFor(l.t, longestWait, "h2load to get on", func() bool {
		return strings.Contains(l.report(), fmt.Sprintf("progress: %d%% done\n", percent)) || l.over()
	})
}

var h2loadSummary = regexp.MustCompile(`requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, ` +
	`(\d+) failed, 0 errored, 0 timeout\nstatus codes: (\d+) 2xx, 0 3xx, 0 4xx, (\d+) 5xx`)

// most waits for the end: every request must have been answered, and at most so many not with 2xx.
func (l *h2load) most(failed int) {
	l.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(3 * longestWait):
		l.t.Fatal("h2load does not end")
	}
	m := h2loadSummary.FindStringSubmatch(l.report())
	if l.err != nil || m == nil || m[2] != m[1] || m[3] != m[5] || m[4] != m[6] {
		l.t.Errorf("h2load: %v\n%s", l.err, l.report())
		return
	}
	if n, err := strconv.Atoi(m[4]); err != nil || n > failed {
		l.t.Errorf("%d requests failed, want at most %d:\n%s", n, failed, l.report())
	}
}
