package sidecar_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

const (
	rejectedLine = "revision rejected, what served goes on serving"
	appliedLine  = "revision applied"
)

// occupied is a port that another process has until leave is called.
func occupied(t testing.TB) (address string, leave func()) {
	address = testserver.Addr(t)
	ln := testserver.ListenAt(t, address)
	return address, func() { _ = testserver.Release(ln) }
}

// at is a document with a listener of its own.
func at(address, app string) string {
	return fmt.Sprintf("listeners: [{name: own, address: %q}]\n", address) + one(app)
}

// tried waits until the rejected document was tried again some times, and gives the reasons.
func (g *gateway) tried(times int) []string {
	g.t.Helper()
	first := g.wait("a document that is tried again", func(s status) bool {
		return s.Revision.LastRejected != nil && !s.Revision.LastRejected.RetryAt.IsZero()
	}).Revision.LastRejected.RetryAt
	var reasons []string
	for range times {
		next := g.wait("the next try", func(s status) bool { return s.Revision.LastRejected.RetryAt.After(first) })
		first, reasons = next.Revision.LastRejected.RetryAt, next.Revision.LastRejected.Reasons
	}
	return reasons
}

// wantLines holds the log to the number of lines with some messages.
func (g *gateway) wantLines(want map[string]int) {
	g.t.Helper()
	for message, n := range want {
		// A swap is logged behind it: a response may be there before the line is.
		testserver.WaitFor(g.t, longestWait, fmt.Sprintf("%d lines %q", n, message),
			func() bool { return len(g.logged(message)) >= n })
		if got := len(g.logged(message)); got != n {
			g.t.Errorf("%d lines %q, want %d", got, message, n)
		}
	}
}

// What keeps a document out of service is tried again by itself, whatever serves meanwhile.
func TestRejectedDocumentsAreTriedAgain(t *testing.T) {
	t.Parallel()
	t.Run("while the bootstrap serves alone", func(t *testing.T) {
		t.Parallel()
		port, leave := occupied(t)
		document := filepath.Join(t.TempDir(), "gateway.yaml")
		write(t, document, at(port, app(t, "document")))
		g := serve(t, env{"GATEWAY_CONFIG": document, "GATEWAY_APP": app(t, "bootstrap")})
		g.answers("/", http.StatusOK, "bootstrap")
		if why := g.tried(2); len(why) != 1 || !strings.Contains(why[0], "address already in use") {
			t.Errorf("rejected for %q", why)
		}
		g.wantLines(map[string]int{rejectedLine: 1, appliedLine: 1, "the bootstrap serves alone": 1})
		leave()
		g.answers("/", http.StatusOK, "document")
		s := g.status()
		if s.Revision.LastRejected != nil || s.Revision.Rejected != 1 || s.Revision.Source != "file" {
			t.Errorf("revision %+v, want it applied after one rejection", s.Revision)
		}
		g.wantLines(map[string]int{rejectedLine: 1, appliedLine: 2})
	})
	t.Run("while the bootstrap has no route", func(t *testing.T) {
		t.Parallel()
		port, leave := occupied(t)
		document := filepath.Join(t.TempDir(), "gateway.yaml")
		write(t, document, at(port, app(t, "document")))
		g := up(t, env{"GATEWAY_CONFIG": document})
		g.tried(1)
		code, why, err := fetch(g.admin + "/ready")
		lines := strings.Split(why, "\n")
		if err != nil || code != http.StatusServiceUnavailable || len(lines) != 3 ||
			lines[0] != "no routes: the bootstrap has none, and its document cannot be applied" ||
			!strings.HasSuffix(lines[1], "address already in use") {
			t.Errorf("/ready = %d %q %v, want the reason", code, why, err)
		}
		leave()
		g.answers("/", http.StatusOK, "document")
		if code, why, _ := fetch(g.admin + "/ready"); code != http.StatusOK {
			t.Errorf("/ready = %d %q once the document serves", code, why)
		}
	})
	t.Run("while a former revision serves", func(t *testing.T) {
		t.Parallel()
		first, leaveFirst := occupied(t)
		second, leaveSecond := occupied(t)
		document := filepath.Join(t.TempDir(), "gateway.yaml")
		write(t, document, one(app(t, "former")))
		g := serve(t, env{"GATEWAY_CONFIG": document})
		g.answers("/", http.StatusOK, "former")
		requests := g.load("/")
		write(t, document, fmt.Sprintf("listeners: [{name: a, address: %q}, {name: b, address: %q}]\n", first, second)+
			one(app(t, "next")))
		g.tried(1)
		g.wantLines(map[string]int{rejectedLine: 1})
		leaveFirst()
		g.wait("other reasons", func(s status) bool {
			return strings.Contains(s.Revision.LastRejected.Reasons[0], second)
		})
		g.wantLines(map[string]int{rejectedLine: 2})
		leaveSecond()
		g.answers("/", http.StatusOK, "next")
		g.wantLines(map[string]int{rejectedLine: 2, appliedLine: 2})
		requests.none(t)
	})
	t.Run("a certificate that comes later", func(t *testing.T) {
		t.Parallel()
		ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
		document := filepath.Join(dir, "gateway.yaml")
		write(t, document, fmt.Sprintf("listeners: [{name: s, address: %q, tls: {certificates: [{cert_file: %q, "+
			"key_file: %q}]}}]\n", testserver.Addr(t), filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key"))+
			one(app(t, "document")))
		g := serve(t, env{"GATEWAY_CONFIG": document, "GATEWAY_APP": app(t, "bootstrap")})
		g.tried(1)
		g.wantLines(map[string]int{rejectedLine: 1})
		write(t, filepath.Join(dir, "a.pem"), "no certificate")
		g.wait("other reasons", func(s status) bool {
			return strings.Contains(s.Revision.LastRejected.Reasons[0], "certificate")
		})
		ca.Server(t, "a.test").Write(t, dir, "a")
		g.answers("/", http.StatusOK, "document")
		if s := g.status(); s.Revision.LastRejected != nil {
			t.Errorf("rejected for %q", s.Revision.LastRejected.Reasons)
		}
	})
	t.Run("not once there is a newer one", func(t *testing.T) {
		t.Parallel()
		first, leaveFirst := occupied(t)
		second, leaveSecond := occupied(t)
		document := filepath.Join(t.TempDir(), "gateway.yaml")
		write(t, document, one(app(t, "former")))
		g := serve(t, env{"GATEWAY_CONFIG": document})
		write(t, document, at(first, app(t, "older")))
		g.tried(1)
		write(t, document, at(second, app(t, "newer")))
		g.wait("the newer one to be rejected", func(s status) bool {
			return strings.Contains(s.Revision.LastRejected.Reasons[0], second)
		})
		leaveFirst()
		g.tried(2) // the older one would be tried as often
		if c, err := net.Dial("tcp", first); err == nil {
			c.Close()
			t.Error("the older document was applied")
		}
		g.now("/", http.StatusOK, "former")
		leaveSecond()
		g.answers("/", http.StatusOK, "newer")
	})
}

// With services, nothing is told twice either, and what the catalog says meanwhile counts.
func TestRejectedDocumentsWithServices(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.Register(testserver.Service{Name: "there", Port: port(t, app(t, "there"))})
	for _, phase := range []string{"bootstrap", "revision"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			port, leave := occupied(t)
			key := "gateway/" + phase + "/config"
			environ := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_CONSUL_KEY": key,
				"GATEWAY_APP": app(t, "before"), "GATEWAY_STATE_DIR": stateDir(t)}
			document := fmt.Sprintf("listeners: [{name: own, address: %q}]\n", port) +
				"routes: [{name: all, cluster: there}, {name: none, match: {path_prefix: /none}, cluster: nowhere}]\n" +
				"clusters: [{name: there, consul: {service: there}}, {name: nowhere, consul: {service: nowhere}}]\n"
			if phase == "revision" {
				consul.KVPut(key, one(app(t, "before")))
			} else {
				consul.KVPut(key, document)
			}
			g := serve(t, environ)
			g.answers("/", http.StatusOK, "before")
			consul.KVPut(key, document)
			g.tried(2)
			g.wantLines(map[string]int{rejectedLine: 1, "endpoints changed": 0, "the service is not in the catalog": 0,
				"no endpoints received yet, the cluster begins without any": 0})
			leave()
			g.answers("/", http.StatusOK, "there")
			g.wantLines(map[string]int{rejectedLine: 1, "endpoints changed": 1, "the service is not in the catalog": 1})
		})
	}
}

// The last good revision is tried again too, where there is nothing else: the source is away, and the port is not free.
func TestKeptRevisionIsTriedAgain(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.Register(testserver.Service{Name: "there", Port: port(t, app(t, "there"))})
	port := testserver.Addr(t)
	environ := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_STATE_DIR": stateDir(t)}
	consul.KVPut("gateway/app/config", fmt.Sprintf("listeners: [{name: own, address: %q}]\n", port)+
		to("c", "there", ""))
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "there")
	g.stop()
	consul.Stop()

	ln := testserver.ListenAt(t, port)
	environ = maps.Clone(environ)
	environ["GATEWAY_APP"] = app(t, "bootstrap")
	g = launch(t, environ)
	g.answers("/", http.StatusOK, "bootstrap")
	_ = testserver.Release(ln) // it was tried twice: at the start, and before the bootstrap served
	g.answers("/", http.StatusOK, "there")
	g.wantLines(map[string]int{"kept revision is not used": 1})
	if s := g.status(); s.Revision.Source != "state" || s.Revision.AsOf.IsZero() {
		t.Errorf("revision %+v, want that of the state directory", s.Revision)
	}
	consul.Start()
	g.wait("what the source says", func(s status) bool { return s.Revision.Source == "consul" })
	g.now("/", http.StatusOK, "there")
}
