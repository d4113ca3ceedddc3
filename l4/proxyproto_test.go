package l4_test

import (
	"bufio"
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

// A trusted peer speaks for its client; the header is the gateway's, what follows is the endpoint's.
func TestProxyProtocolIn(t *testing.T) {
	g := start(t, to([]string{backend(t, echo)}, "proxy_protocol: {from: [127.0.0.0/8]}"))
	source, destination := netip.MustParseAddrPort("203.0.113.7:4711"), netip.MustParseAddrPort("192.0.2.1:443")
	for i, version := range []string{"v1", "v2"} {
		c := g.dial("in")
		header := proxyproto.Append(nil, version, proxyproto.Header{Source: source, Destination: destination})
		for _, b := range header { // in as many segments as it has bytes
			send(t, c, string([]byte{b}))
		}
		send(t, c, "hello")
		expect(t, c, "hello")
		c.CloseWrite()
		expectEnd(t, c)
		if l := g.lines(i + 1)[i]; l.RemoteIP != "203.0.113.7" || l.BytesRead != 5 || l.Flag != "" {
			t.Errorf("%s: line %+v", version, l)
		}
	}
	// A health check of the proxy's own.
	c := g.dial("in")
	send(t, c, "PROXY UNKNOWN\r\nhello")
	expect(t, c, "hello")
	c.CloseWrite()
	expectEnd(t, c)
	if l := g.lines(3)[2]; l.RemoteIP != "127.0.0.1" {
		t.Errorf("line %+v", l)
	}
}

func TestProxyProtocolRefused(t *testing.T) {
	g := start(t, to([]string{backend(t, echo)}, "proxy_protocol: {from: [127.0.0.0/8]}"))
	for i, text := range []string{"hello, no header here", "PROXY TCP4 1.2.3.4\r\nhello"} {
		c := g.dial("in")
		send(t, c, text)
		if b, _ := io.ReadAll(c); len(b) > 0 {
			t.Errorf("%q was answered with %q", text, b)
		}
		if l := g.lines(i + 1)[i]; l.Flag != telemetry.DPE.String() || l.Attempts != 0 {
			t.Errorf("%q: line %+v", text, l)
		}
	}
}

// From others a header is nothing but bytes.
func TestProxyProtocolUntrusted(t *testing.T) {
	g := start(t, to([]string{backend(t, echo)}, "proxy_protocol: {from: [10.0.0.0/8]}"))
	c := g.dial("in")
	send(t, c, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")
	expect(t, c, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")
	c.CloseWrite()
	expectEnd(t, c)
	if l := g.wantFlag(telemetry.NoFlag); l.RemoteIP != "127.0.0.1" {
		t.Errorf("line %+v", l)
	}
}

// The endpoint is told who the client is, in front of everything, also of TLS.
func TestProxyProtocolOut(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	caFile := ca.Write(t, dir, "ca")
	headers := make(chan proxyproto.Header, 1)
	read := func(c *net.TCPConn) bool {
		h, err := proxyproto.Read(c)
		if err != nil {
			t.Errorf("header: %v", err)
			return false
		}
		headers <- h
		return true
	}
	plain := backend(t, func(c *net.TCPConn) {
		if read(c) {
			echo(c)
		}
	})
	overTLS := tlsEcho(t, ca, "up.example", nil)
	secret := backend(t, func(c *net.TCPConn) {
		if read(c) {
			overTLS(c)
		}
	})
	g := start(t, fmt.Sprintf(`
listeners:
  - {name: v1, address: "127.0.0.1:0", protocol: tcp, cluster: v1}
  - {name: v2, address: "127.0.0.1:0", protocol: tcp, cluster: v2}
  - {name: tls, address: "127.0.0.1:0", protocol: tcp, cluster: tls}
  - {name: sni, address: "127.0.0.1:0", protocol: tls, cluster: raw}
  - {name: through, address: "127.0.0.1:0", protocol: tcp, cluster: v2, proxy_protocol: {from: [127.0.0.1/32]}}
clusters:
  - {name: v1, endpoints: ["%s"], proxy_protocol: v1}
  - {name: v2, endpoints: ["%s"], proxy_protocol: v2}
  - {name: tls, endpoints: ["%s"], proxy_protocol: v2, tls: {ca_file: %s, server_name: up.example}}
  - {name: raw, endpoints: ["%s"], proxy_protocol: v1}
`, plain, plain, secret, caFile, secret))
	for _, name := range []string{"v1", "v2", "tls"} {
		c := g.dial(name)
		if name == "tls" {
			expect(t, c, "this is up.example\n")
		}
		send(t, c, "hello")
		expect(t, c, "hello")
		h := <-headers
		if h.Source.String() != c.LocalAddr().String() || h.Destination.String() != c.RemoteAddr().String() {
			t.Errorf("%s: told of %v to %v", name, h.Source, h.Destination)
		}
	}
	socket := g.dial("sni")
	c := tls.Client(socket, &tls.Config{ServerName: "up.example", RootCAs: ca.Pool()})
	expect(t, bufio.NewReader(c), "this is up.example\n")
	if h := <-headers; h.Source.String() != socket.LocalAddr().String() {
		t.Errorf("sni: told of %v", h.Source)
	}
	through := g.dial("through")
	send(t, through, "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\nhello")
	expect(t, through, "hello")
	if h := <-headers; h.Source.String() != "[2001:db8::1]:1" || h.Destination.String() != "[2001:db8::2]:2" {
		t.Errorf("through: told of %v to %v", h.Source, h.Destination)
	}
}
