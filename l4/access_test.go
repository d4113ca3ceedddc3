package l4_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// turnedAway reads the end of a connection that is turned away, orderly or not.
func turnedAway(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%s: was answered with %q, want a closed connection", what, b)
	}
}

// The client is the peer, or whom a PROXY header names. Who may not is closed, logged and counted, and no endpoint
// hears of it.
func TestAccessBySource(t *testing.T) {
	const keys = "proxy_protocol: {from: [127.0.0.0/8]}, allow: {sources: [203.0.113.0/24]}, " +
		"deny: {sources: [203.0.113.9]}"
	g := start(t, to([]string{backend(t, echo)}, keys))
	for i, tt := range []struct{ from, reason string }{
		{"203.0.113.7", ""},
		{"203.0.113.9", "the client's address is in deny.sources"},
		{"192.0.2.1", "the client's address is not in allow.sources"},
	} {
		c := g.dial("in")
		source, destination := netip.MustParseAddrPort(tt.from+":4711"), netip.MustParseAddrPort("192.0.2.1:443")
		header := proxyproto.Append(nil, "v2", proxyproto.Header{Source: source, Destination: destination})
		send(t, c, string(header))
		if tt.reason == "" {
			send(t, c, "hello")
			expect(t, c, "hello")
			c.CloseWrite()
			expectEnd(t, c)
		} else {
			turnedAway(t, tt.from, c)
		}
		flag := map[bool]string{true: "AC"}[tt.reason != ""]
		if l := g.lines(i + 1)[i]; l.Flag != flag || l.RemoteIP != tt.from || (l.Attempts == 0) != (flag == "AC") ||
			l.Reason != tt.reason {
			t.Errorf("%s: line %+v, want flag %q, reason %q", tt.from, l, flag, tt.reason)
		}
	}
	if n := g.Registry.Fault(telemetry.AC).Load(); n != 2 {
		t.Errorf("gateway.faults counts %d, want 2", n)
	}
	if f := g.lastFailure(2); f.Flag != "AC" || f.Listener != "in" {
		t.Errorf("kept %+v", f)
	}
}

// A network is asked for before the handshake, which costs much more.
func TestAccessIsAskedBeforeTheHandshake(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Leaf(t, testcert.Leaf{IPs: []string{"127.0.0.1"}}).Write(t, t.TempDir(), "server")
	g := start(t, to([]string{backend(t, echo)}, fmt.Sprintf(
		"tls: {certificates: [{cert_file: %s, key_file: %s}]}, deny: {sources: [127.0.0.0/8]}", cert, key)))
	if c, err := net.Dial("tcp", g.addr("in")); err == nil { // the reset may come before Dial is done
		defer c.Close()
		turnedAway(t, "before a ClientHello", c) // nothing was sent
	}
	g.wantFlag(telemetry.AC)
}

func TestAccessByIdentity(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	dir := t.TempDir()
	cert, key := ca.Leaf(t, testcert.Leaf{IPs: []string{"127.0.0.1"}}).Write(t, dir, "server")
	g := start(t, to([]string{backend(t, echo)}, fmt.Sprintf(
		"tls: {certificates: [{cert_file: %s, key_file: %s}], client_ca_file: %s, client_auth: optional}, "+
			"allow: {identities: [\"spiffe://td/ns/default/dc/*/svc/web\"]}, "+
			"deny: {identities: [\"spiffe://td/ns/default/dc/dc2/svc/web\"]}", cert, key, ca.Write(t, dir, "ca"))))
	for i, tt := range []struct{ who, flag, reason string }{
		{"spiffe://td/ns/default/dc/dc1/svc/web", "", ""},
		{"spiffe://td/ns/default/dc/dc2/svc/web", "AC", "the client's certificate has a name of deny.identities"},
		{"spiffe://td/ns/default/dc/dc1/svc/api", "AC", "the client's certificate has no name of allow.identities"},
		{"", "AC", "the client has shown no certificate with a name, as allow.identities wants"},
	} {
		o := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
		if tt.who != "" {
			o.Certificates = []tls.Certificate{ca.Leaf(t, testcert.Leaf{URIs: []string{tt.who}}).TLS(t)}
		}
		raw := g.dial("in")
		c := tls.Client(raw, o)
		_, _ = io.WriteString(c, "hello") // the refusal may be faster
		if tt.flag == "" {
			expect(t, c, "hello")
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			expectEnd(t, c)
		} else {
			turnedAway(t, tt.who, c)
		}
		if l := g.lines(i + 1)[i]; l.Flag != tt.flag || l.Reason != tt.reason || l.ClientIdentity != tt.who {
			t.Errorf("%q: line %+v, want flag %q, reason %q", tt.who, l, tt.flag, tt.reason)
		}
	}
}
