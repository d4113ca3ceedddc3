package sidecar_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// rotatedWithin is how soon a file that was changed is used under load. The documentation promises two seconds.
const rotatedWithin = time.Second * slowness

// TestRotationUnderLoad with clients that speak HTTP/2, and one thing more that changes: the authority of the clients.
// Each change is made while h2load sends requests to a listener as fast as it can. Other clients ask on it and on one
// that wants their certificate, over one connection for all and over a new one each time.
func TestRotationUnderHTTP2Load(t *testing.T) {
	dir := t.TempDir()
	front, back := testcert.NewCA(t, "front"), testcert.NewCA(t, "back")
	leaf := func(name string) (cert, key string) {
		return front.Server(t, "gateway.test", name).Write(t, dir, "web")
	}
	cert, key := leaf("first.test")
	clients := []*testcert.CA{testcert.NewCA(t, "clients one"), testcert.NewCA(t, "clients two")}
	authority, roots := clients[0].Write(t, dir, "clients"), back.Write(t, dir, "back")
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(loopback(t, back))
	secure, plain := tlsApp(t, "secure", true, &shown), echoApp(t, nil)

	path, web, mutual := filepath.Join(dir, "gateway.yaml"), testserver.Addr(t), testserver.Addr(t)
	certs := fmt.Sprintf("certificates: [{cert_file: %q, key_file: %q}]", cert, key)
	// The endpoint shares the machine with h2load, and its handshakes take as long as they take.
	document := func(mode, protocol string) string {
		endpoint, options := plain, "mode: none"
		if mode == "tls" {
			endpoint, options = secure, fmt.Sprintf("mode: tls, ca_file: %q", roots)
		}
		return fmt.Sprintf(`
listeners:
- {name: web, address: %q, tls: {%s}}
- {name: mutual, address: %q, tls: {%s, client_ca_file: %q}}
timeouts: {connect: 1h}
routes: [{name: all, cluster: c}]
clusters: [{name: c, protocol: %s, endpoints: [%q], tls: {%s}}]
`, web, certs, mutual, certs, authority, protocol, endpoint, options)
	}
	write(t, path, document("none", "http1"))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_LISTEN": "", "GATEWAY_ACCESS_LOG": "off"})

	var mine atomic.Pointer[tls.Certificate] // the certificate of those who ask
	as := func(ca *testcert.CA) *tls.Certificate {
		c := ca.SPIFFE(t, "spiffe://x/client").TLS(t)
		return &c
	}
	config := func(mine func() *tls.Certificate) *tls.Config {
		return &tls.Config{
			RootCAs: front.Pool(), ServerName: "gateway.test", NextProtos: []string{"h2"},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return mine(), nil },
		}
	}
	one, two := as(clients[0]), as(clients[1])
	mine.Store(one)
	loads := []*load{
		asks(t, "https://"+web, config(mine.Load), true), asks(t, "https://"+web, config(mine.Load), false),
		asks(t, "https://"+mutual, config(mine.Load), true), asks(t, "https://"+mutual, config(mine.Load), false),
	}
	more := func() {
		t.Helper()
		for _, l := range loads {
			before := l.count()
			testserver.WaitFor(t, longestWait, "some more requests", func() bool { return l.count() >= before+10 })
		}
	}
	more()
	step := func(what string, change func(), seen func() bool) (took time.Duration) {
		t.Helper()
		load := startH2load(t, 2000, "https://"+web)
		load.reached(10)
		begun := time.Now()
		change()
		testserver.WaitFor(t, longestWait, what, seen)
		took = time.Since(begun)
		load.most(0)
		more()
		return took
	}

	for _, name := range []string{"second.test", "third.test"} {
		took := step("the certificate "+name, func() { leaf(name) }, func() bool {
			c, err := tls.Dial("tcp", web, config(mine.Load))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0].DNSNames[1] == name
		})
		if took > rotatedWithin {
			t.Errorf("it took %v until the certificate %s was shown", took, name)
		}
	}
	welcome := func(c *tls.Certificate) bool {
		once := &http.Client{Timeout: longestWait, Transport: &http.Transport{
			TLSClientConfig: config(func() *tls.Certificate { return c }), DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
		}}
		res, err := once.Get("https://" + mutual)
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	}
	if !welcome(one) || welcome(two) {
		t.Fatal("another authority than the first one's is believed")
	}
	step("both authorities", func() { testcert.Replace(t, authority, append(clients[0].PEM(), clients[1].PEM()...)) },
		func() bool { return welcome(two) })
	mine.Store(two)
	more() // whoever is about to connect as before has done so
	step("the new authority alone", func() { testcert.Replace(t, authority, clients[1].PEM()) },
		func() bool { return !welcome(one) })
	if !welcome(two) {
		t.Error("the new authority is not believed")
	}

	applied := g.status().Revision.Applied
	for _, d := range []struct{ mode, protocol string }{{"tls", "http2"}, {"none", "http2"}, {"tls", "http1"},
		{"none", "http1"}} {
		step("upstream "+d.mode+" "+d.protocol, func() { write(t, path, document(d.mode, d.protocol)) }, func() bool {
			return g.status().Revision.Applied > applied
		})
		applied++
	}
	for _, l := range loads {
		l.none(t)
	}
}
