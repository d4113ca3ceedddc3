package sidecar_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// tlsApp is a backend with TLS that shows whatever certificate is stored.
func tlsApp(t testing.TB, name string, h2 bool, shown *atomic.Pointer[tls.Certificate]) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.Proto+" "+r.Header.Get("X-Forwarded-Client-Cert"))
	}))
	s.EnableHTTP2 = h2
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		protocols := []string{"http/1.1"}
		if h2 {
			protocols = []string{"h2", "http/1.1"}
		}
		return &tls.Config{Certificates: []tls.Certificate{*shown.Load()}, NextProtos: protocols,
			SessionTicketsDisabled: true}, nil
	}}
	s.Config.ErrorLog = hclog.NewNullLogger().StandardLogger(nil) // failed handshakes are the test
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// loopback is a certificate for 127.0.0.1.
func loopback(t testing.TB, ca *testcert.CA) *tls.Certificate {
	t.Helper()
	c := ca.Leaf(t, testcert.Leaf{IPs: []string{"127.0.0.1"}}).TLS(t)
	return &c
}

// asks begins to ask with a client of its own until it is stopped, on kept connections or on a new one each time. It
// is over HTTP/2 where the configuration names it, and then no other version is accepted.
func asks(t testing.TB, url string, config *tls.Config, kept bool) *load {
	l := &load{done: make(chan struct{})}
	h2 := slices.Contains(config.NextProtos, "h2")
	c := &http.Client{Timeout: longestWait, Transport: &http.Transport{TLSClientConfig: config,
		DisableKeepAlives: !kept, ForceAttemptHTTP2: h2}}
	l.workers.Go(func() {
		defer c.CloseIdleConnections()
		tick := time.NewTicker(4 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-l.done:
				return
			case <-tick.C:
			}
			code, body := 0, []byte(nil)
			res, err := c.Get(url)
			if err == nil {
				code = res.StatusCode
				body, err = io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil && h2 && res.ProtoMajor != 2 {
					err = errors.New(res.Proto)
				}
			}
			l.mu.Lock()
			l.answered++
			if err != nil || code != http.StatusOK {
				l.failed = append(l.failed, fmt.Sprintf("%d %q %v", code, body, err))
			}
			l.mu.Unlock()
		}
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// Certificates and authorities change, a cluster's connections become encrypted and plain again, while clients go on
// asking, on live connections and on new ones. Not one request fails.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	front := testcert.NewCA(t, "front")
	leaf := func(name string) (cert, key string) {
		return front.Server(t, "gateway.test", name).Write(t, dir, "web")
	}
	cert, key := leaf("first.test")
	backs := []*testcert.CA{testcert.NewCA(t, "back one"), testcert.NewCA(t, "back two")}
	roots := backs[0].Write(t, dir, "back")
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(loopback(t, backs[0]))
	secure, plain := tlsApp(t, "secure", true, &shown), app(t, "plain")

	path, address := filepath.Join(dir, "gateway.yaml"), testserver.Addr(t)
	document := func(mode, protocol string) string {
		endpoint := secure
		options := "tls: {mode: tls, ca_file: \"" + roots + "\"}"
		if mode == "none" {
			endpoint, options = plain, "tls: {mode: none}"
		}
		return fmt.Sprintf("listeners: [{name: web, address: %q, tls: {certificates: [{cert_file: %q, "+
			"key_file: %q}]}}]\n"+
			"timeouts: {connect: 1h}\n"+ // a busy machine takes its time for a handshake
			"routes: [{name: all, cluster: c}]\nclusters: [{name: c, protocol: %s, endpoints: [%q], %s}]\n", address,
			cert, key, protocol, endpoint, options)
	}
	write(t, path, document("tls", "http1"))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_LISTEN": ""})
	config := &tls.Config{RootCAs: front.Pool(), ServerName: "gateway.test"}
	loads := []*load{asks(t, "https://"+address, config, true), asks(t, "https://"+address, config, false)}
	more := func() {
		t.Helper()
		for _, l := range loads {
			before := l.count()
			testserver.WaitFor(t, longestWait, "some more requests", func() bool { return l.count() >= before+10 })
		}
	}
	more()
	for _, name := range []string{"second.test", "third.test"} {
		leaf(name)
		testserver.WaitFor(t, longestWait, "the certificate "+name, func() bool {
			c, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0].DNSNames[1] == name
		})
		more()
	}
	reloads := func(n int) {
		t.Helper()
		testserver.WaitFor(t, longestWait, "the authorities to be read", func() bool {
			found := 0
			for _, line := range g.logged("certificate file reloaded") {
				if line["path"] == roots {
					found++
				}
			}
			return found == n
		})
	}
	// An authority is replaced as everybody does it: both, then the endpoints, then the new one alone.
	testcert.Replace(t, roots, append(backs[0].PEM(), backs[1].PEM()...))
	reloads(1)
	more()
	shown.Store(loopback(t, backs[1]))
	more()
	testcert.Replace(t, roots, backs[1].PEM())
	reloads(2)
	more()

	applied := g.status().Revision.Applied
	for i, d := range []string{document("none", "http1"), document("tls", "http2"), document("none", "http1"),
		document("tls", "auto"), document("none", "http1"), document("tls", "http1")} {
		write(t, path, d)
		g.wait(fmt.Sprintf("document %d", i), func(s status) bool { return s.Revision.Applied == applied+i+1 })
		more()
	}
	for _, l := range loads {
		l.none(t)
	}
}

// A listener's TLS comes and goes. Live connections go on as what they are, new ones are what the document says, and
// other listeners do not notice.
func TestListenerTurnsTLSOnAndOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Server(t, "gateway.test").Write(t, dir, "web")
	path, address, backend := filepath.Join(dir, "gateway.yaml"), testserver.Addr(t), app(t, "app")
	with := func(options string) string {
		return fmt.Sprintf("listeners: [{name: more, address: %q%s}]\n", address, options) + one(backend)
	}
	encrypted := fmt.Sprintf(", tls: {certificates: [{cert_file: %q, key_file: %q}]}", cert, key)
	write(t, path, with(""))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	requests := g.load("/")
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "gateway.test"}
	kept := newKeeper(t, address)
	applied := g.status().Revision.Applied
	for range 3 {
		for _, options := range []string{encrypted, ""} {
			if _, err := kept.ask(); err != nil {
				t.Errorf("a kept connection before the change: %v", err)
			}
			write(t, path, with(options))
			applied++
			g.wait("the listener", func(s status) bool { return s.Revision.Applied == applied })
			if again, err := kept.ask(); err != nil || !again {
				t.Errorf("a kept connection behind the change: %v, again %v", err, again)
			}
			c, err := tls.Dial("tcp", address, config)
			if err == nil {
				c.Close()
			}
			if (err == nil) != (options != "") {
				t.Errorf("with the options %q a handshake came to %v", options, err)
			}
		}
	}
	requests.none(t)
}

// An endpoint that does not prove itself is no endpoint; the log and /status say why.
func TestUnverifiedEndpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(loopback(t, testcert.NewCA(t, "another")))
	roots := testcert.NewCA(t, "root").Write(t, dir, "ca")
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, fmt.Sprintf("routes: [{name: all, cluster: c}]\nclusters: [{name: c, endpoints: [%q], tls: "+
		"{mode: tls, ca_file: %q}}]\n", tlsApp(t, "app", false, &shown), roots))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	g.now("/", http.StatusBadGateway, "upstream connect failed\n")
	_, body, err := fetch(g.admin + "/status")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Clusters []struct {
			Endpoints []struct {
				Passive struct {
					LastError string `json:"last_error"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if why := s.Clusters[0].Endpoints[0].Passive.LastError; !strings.Contains(why, "certificate") ||
		!strings.Contains(why, "authority") {
		t.Errorf("last_error = %q", why)
	}
	testserver.WaitFor(t, longestWait, "the access log",
		func() bool { return strings.Contains(g.stdout(), `"flag":"UF"`) })
	testserver.WaitFor(t, longestWait, "the warning", func() bool {
		for line := range strings.Lines(g.stderr()) {
			if strings.Contains(line, `"@level":"warn"`) && strings.Contains(line, "authority") {
				return true
			}
		}
		return false
	})
}

// What curl can ask for it gets: versions by ALPN and by prior knowledge, certificates by name, with and without one of
// its own.
func TestCurl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	roots := ca.Write(t, dir, "ca")
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(loopback(t, ca))
	pair := func(name string, leaf testcert.Leaf) string {
		cert, key := ca.Leaf(t, leaf).Write(t, dir, name)
		return fmt.Sprintf("{cert_file: %q, key_file: %q}", cert, key)
	}
	certs := "certificates: [" + pair("a", testcert.Leaf{DNS: []string{"a.test"}}) + ", " +
		pair("b", testcert.Leaf{DNS: []string{"*.b.test"}}) + "]"
	pair("client", testcert.Leaf{URIs: []string{"spiffe://x/client"}})
	required, optional := testserver.Addr(t), testserver.Addr(t)
	client := fmt.Sprintf("client_ca_file: %q, client_cert_header: true", roots)
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, fmt.Sprintf(`
listeners:
- {name: required, address: %q, tls: {%s, %s}}
- {name: optional, address: %q, tls: {%s, %s, client_auth: optional}}
routes:
- {name: h1, match: {path_prefix: /h1}, cluster: h1}
- {name: h2, cluster: h2}
clusters:
- {name: h1, protocol: auto, endpoints: [%q], tls: {mode: tls, ca_file: %q}}
- {name: h2, protocol: auto, endpoints: [%q], tls: {mode: tls, ca_file: %q}}
`, required, certs, client, optional, certs, client, tlsApp(t, "app", false, &shown), roots, tlsApp(t, "app", true, &shown), roots))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG_FIELDS": "protocol,client_identity,tls_version"})
	mine := []string{"--cert", filepath.Join(dir, "client.pem"), "--key", filepath.Join(dir, "client.key")}
	for _, tt := range []struct {
		name, address, host, path string
		args                      []string
		want                      string // version, status, body up to the client's certificate
		proved                    bool
	}{
		{"http1.1", optional, "a.test", "/", []string{"--http1.1"}, "1.1 200 app HTTP/2.0 ", false},
		{"http2", optional, "x.b.test", "/", []string{"--http2"}, "2 200 app HTTP/2.0 ", false},
		{"http2 to http1", optional, "x.b.test", "/h1", []string{"--http2"}, "2 200 app HTTP/1.1 ", false},
		{"with a certificate", optional, "a.test", "/", append([]string{"--http2"}, mine...), "2 200 app HTTP/2.0 ",
			true},
		{"required", required, "a.test", "/h1", append([]string{"--http1.1"}, mine...), "1.1 200 app HTTP/1.1 ", true},
		{"TLS 1.2", required, "a.test", "/", append([]string{"--tls-max", "1.2"}, mine...), "2 200 app HTTP/2.0 ",
			true},
	} {
		_, port, err := net.SplitHostPort(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-sS", "--max-time", "20", "--cacert", roots, "--connect-to", "::127.0.0.1:" + port,
			"-w", "\n%{http_version} %{http_code}", "-H", "X-Forwarded-Client-Cert: forged"}, tt.args...)
		out := run(t, "curl", append(args, "https://"+tt.host+":"+port+tt.path)...)
		body, version, _ := strings.Cut(out, "\n")
		if got := version + " " + body; !strings.HasPrefix(got, tt.want) || strings.Contains(got, "forged") ||
			strings.Contains(got, "URI=spiffe://x/client") != tt.proved {
			t.Errorf("%s: %q, want %q, proved %v", tt.name, got, tt.want, tt.proved)
		}
	}
	if body := run(t, "curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", "-H",
		"X-Forwarded-Client-Cert: forged", g.url); body != "app HTTP/2.0 " {
		t.Errorf("by prior knowledge: %q", body)
	}
	testserver.WaitFor(t, longestWait, "who asked, in the access log", func() bool {
		return strings.Count(g.stdout(), `"client_identity":"spiffe://x/client"`) == 3 &&
			strings.Count(g.stdout(), "\n") == 7
	})
}
