package proxy_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// secure is a gateway whose listener speaks TLS, in front of one endpoint.
func secure(t *testing.T, up, tlsOptions string, log *accessLog) (g *gateway, client *tls.Config) {
	t.Helper()
	ca := testcert.NewCA(t, "root")
	dir := t.TempDir()
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.example"}}).Write(t, dir, "server")
	caFile := ca.Write(t, dir, "ca")
	addr := testserver.Addr(t)
	g = start(t, "listeners:\n- {name: web, address: \""+addr+"\", protocol: http, tls: {certificates: [{cert_file: "+
		cert+", key_file: "+key+"}]"+
		strings.ReplaceAll(tlsOptions, "CA", caFile)+"}}\n"+to(up), log.use)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	mine := ca.Leaf(t, testcert.Leaf{DNS: []string{"client.example"}, URIs: []string{"spiffe://x/client"}})
	pair, err := tls.X509KeyPair(mine.CertPEM, mine.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return g, &tls.Config{RootCAs: roots, ServerName: "a.example", NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{pair}}
}

// tlsDial connects to the gateway with TLS.
func (g *gateway) tlsDial(c *tls.Config) *tls.Conn {
	g.t.Helper()
	conn, err := tls.Dial("tcp", g.addr, c)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestTLSListenerServes(t *testing.T) {
	log := newLog(t)
	g, client := secure(t, echo(t), "", log)
	c := g.tlsDial(client)
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprint(c, get("/x"))
		res, head := parse(t, r, "GET")
		if res.StatusCode != 200 || field(head, "X-Forwarded-Proto") != "https" {
			t.Errorf("answer = %d %q", res.StatusCode, head)
		}
	}
	fmt.Fprint(c, get("/pipelined/1")+get("/pipelined/2"))
	for i := range 2 {
		if _, head := parse(t, r, "GET"); !strings.HasPrefix(head, fmt.Sprintf("GET /pipelined/%d ", i+1)) {
			t.Errorf("head = %q", head)
		}
	}
	if line := log.lines(5)[0]; !strings.Contains(fmt.Sprint(line["tls_version"]), "1.3") {
		t.Errorf("tls_version = %v", line["tls_version"])
	}
}

// Where ALPN has settled on HTTP/1.1, the preface of HTTP/2 is a request of a version that is not served.
func TestPrefaceAgainstALPN(t *testing.T) {
	for _, tt := range []struct{ agreed, want string }{
		{"http/1.1", "HTTP/1.1 505 "},
		{"", "\x00\x00\x12\x04\x00\x00\x00\x00\x00"}, // SETTINGS: nothing was agreed on
	} {
		g, client := secure(t, echo(t), "", newLog(t))
		if client.NextProtos = nil; tt.agreed != "" {
			client.NextProtos = []string{tt.agreed}
		}
		c := g.tlsDial(client)
		fmt.Fprint(c, http2.ClientPreface)
		got := make([]byte, len(tt.want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != tt.want {
			t.Errorf("agreed on %q: %q (%v), want %q", tt.agreed, got, err, tt.want)
		}
	}
}

func TestTLSListenerCarriesLargeBodies(t *testing.T) {
	const size = 3_000_001
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", sum(r.Body))
		_, _ = io.Copy(w, random(2, size))
	})
	g, client := secure(t, app, "", newLog(t))
	c := g.tlsDial(client)
	req, _ := http.NewRequest("POST", "https://a/", random(1, size))
	sent := make(chan error, 1)
	go func() { sent <- req.Write(c) }()
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := sum(res.Body); got != sum(random(2, size)) || res.Header.Get("X-Got") != sum(random(1, size)) {
		t.Errorf("answer arrived as %s, request as %s", got, res.Header.Get("X-Got"))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestPlainRequestOnATLSPort(t *testing.T) {
	g, _ := secure(t, echo(t), "", newLog(t))
	c := g.dial()
	// more than is read to find out
	c.send(strings.Replace(get("/"), "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 20_000)+"\r\n\r\n", 1))
	if res, body := c.response("GET"); res.StatusCode != 400 ||
		body != "this port speaks TLS, the request came in plain\n" || !res.Close {
		t.Errorf("answer = %d %q", res.StatusCode, body)
	}
	if more := c.rest(); more != "" { // no reset, which may overtake the answer
		t.Errorf("behind the answer came %q", more)
	}
}

func TestClientCertificateIsKnown(t *testing.T) {
	log := newLog(t)
	g, client := secure(t, echo(t), ", client_ca_file: CA", log)
	c := g.tlsDial(client)
	fmt.Fprint(c, get("/"))
	if res, _ := parse(t, bufio.NewReader(c), "GET"); res.StatusCode != 200 {
		t.Errorf("status = %d", res.StatusCode)
	}
	if line := log.lines(1)[0]; line["client_identity"] != "spiffe://x/client" {
		t.Errorf("client_identity = %v", line["client_identity"])
	}
	client.Certificates = nil
	anonymous, err := tls.Dial("tcp", g.addr, client)
	if err == nil { // TLS 1.3 tells the client only when it reads
		defer anonymous.Close()
		_ = anonymous.SetDeadline(time.Now().Add(patience))
		_, err = anonymous.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a client without a certificate was let in")
	}
}

func TestTLSConnectionIsDrained(t *testing.T) {
	g, client := secure(t, echo(t), "", newLog(t))
	c := g.tlsDial(client)
	fmt.Fprint(c, get("/"))
	parse(t, bufio.NewReader(c), "GET")
	cut := g.draining(ample)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read = %v, want the end in good order", err)
	}
	if n := result(t, cut); n != 0 {
		t.Errorf("%d connections were cut", n)
	}
}

// A client that is in the middle of its handshake when the drain begins gets its answer. One that stays silent does
// not hold it up for long.
func TestDrainInTheMiddleOfAHandshake(t *testing.T) {
	together(t)
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			g, client := secure(t, echo(t), "", newLog(t))
			slow, silent := g.dial(), g.dial()
			testserver.WaitFor(t, patience, "two connections",
				func() bool { _, n, _ := g.server.Listener("web"); return n == 2 })
			cut := g.draining(ample)
			pass(500 * time.Millisecond) // idle connections have been ended
			client.NextProtos = []string{protocol}
			c := tls.Client(slow.TCPConn, client)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			if protocol == "h2" { // in frames: a library's client may see the GOAWAY before it asks, and dial again
				p := testpeer.Client(t, c, c)
				p.Ask(1, true, "GET", "/")
				line := p.Until("HEADERS", "RST")
				if line != "HEADERS 1 :status: 200" {
					t.Fatalf("answer = %s", line)
				}
				for !strings.HasSuffix(line, "end") && !strings.HasPrefix(line, "RST") {
					line = p.Until("DATA", "RST 1")
				}
				if !strings.HasPrefix(line, "DATA 1 ") {
					t.Errorf("the answer ends with %q", line)
				}
			} else {
				fmt.Fprint(c, get("/"))
				if res, _ := parse(t, bufio.NewReader(c), "GET"); res.StatusCode != 200 {
					t.Errorf("answer = %d", res.StatusCode)
				}
			}
			silent.ended()
			if n := result(t, cut); n != 0 {
				t.Errorf("%d connections were cut", n)
			}
		})
	}
}

func TestIdleTLSConnectionEnds(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.example"}}).Write(t, t.TempDir(), "server")
	addr := testserver.Addr(t)
	g := start(t, timeouts("idle")+"listeners:\n- {name: web, address: \""+addr+
		"\", protocol: http, tls: {certificates: [{cert_file: "+cert+", key_file: "+key+"}]}}\n"+to(echo(t)))
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	runsOut(t, func() {
		c := g.tlsDial(&tls.Config{RootCAs: roots, ServerName: "a.example"})
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read = %v", err)
		}
	})
}

// tlsBackend is an endpoint with TLS, whose certificate is for 127.0.0.1.
func tlsBackend(t *testing.T, ca *testcert.CA, h http.HandlerFunc) string {
	t.Helper()
	alone(t)
	p := ca.Leaf(t, testcert.Leaf{IPs: []string{"127.0.0.1"}})
	pair, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "https://")
}

func TestEndpointWithTLS(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	app := tlsBackend(t, ca, ofPath)
	caFile := ca.Write(t, t.TempDir(), "ca")
	g := start(t, clustered("", "tls: {mode: tls, ca_file: "+caFile+"}", app))
	c := g.dial()
	for range 3 {
		c.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
		if _, body := c.response("POST"); body != "/xhi" {
			t.Errorf("body = %q", body)
		}
	}
}

func TestEndpointThatDoesNotProveItself(t *testing.T) {
	app := tlsBackend(t, testcert.NewCA(t, "another"), ofPath)
	caFile := testcert.NewCA(t, "root").Write(t, t.TempDir(), "ca")
	plain := echo(t)
	for name, addr := range map[string]string{"another authority": app, "no TLS at all": plain} {
		t.Run(name, func(t *testing.T) {
			g := start(t, timeouts("connect")+clustered("", "tls: {mode: tls, ca_file: "+caFile+"}", addr))
			if res, body := g.ask(get("/")); res.StatusCode != 502 || body != "upstream connect failed\n" ||
				g.faults(telemetry.UF) != 1 {
				t.Errorf("answer = %d %q, faults UF = %d", res.StatusCode, body, g.faults(telemetry.UF))
			}
		})
	}
}

// A client whose certificate is refused is told so, though it has sent its request already: TLS 1.3 lets it.
func TestRefusedCertificateIsTold(t *testing.T) {
	g, client := secure(t, echo(t), ", client_ca_file: \"CA\"", newLog(t))
	another := testcert.NewCA(t, "another").Leaf(t, testcert.Leaf{DNS: []string{"client.example"}})
	pair, err := tls.X509KeyPair(another.CertPEM, another.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	client.Certificates = nil
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	c := g.tlsDial(client)
	for range 3 {
		if _, err := c.Write([]byte(get("/"))); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Millisecond) // by now the gateway has refused it
	}
	_, err = c.Read(make([]byte, 1))
	if err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("reading gives %v, want the alert", err)
	}
}
