package sidecar_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// The log warns, once each, of what an operator has to act upon. That is a certificate that ends soon, clients that
// wait for a place, and a TCP endpoint that refuses.
func TestWarnings(t *testing.T) {
	t.Parallel()
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, NotAfter: time.Now().Add(10 * 24 * time.Hour)}).
		Write(t, dir, "a")
	tcp, secure, refuses := testserver.Addr(t), testserver.Addr(t), testserver.Addr(t)
	document := filepath.Join(dir, "gateway.yaml")
	text := func(route string) string {
		return fmt.Sprintf("listeners: [{name: tcp, address: %q, protocol: tcp, cluster: gone}, {name: s, "+
			"address: %q, "+
			"tls: {certificates: [{cert_file: %q, key_file: %q}]}}]\n"+
			"routes: [{name: %s, cluster: app}]\nclusters: [{name: app, endpoints: [%q]}, {name: gone, "+
			"endpoints: [%q]}]\n",
			tcp, secure, cert, key, route, app(t, "here"), refuses)
	}
	write(t, document, text("one"))
	g := serve(t, env{"GATEWAY_CONFIG": document, "GATEWAY_MAX_CONNECTIONS": "2"})

	if line := g.waitLogged("certificate file expires soon"); line["path"] != cert || line["left"] == nil {
		t.Errorf("logged %v, want the path of the certificate and what is left", line)
	}
	write(t, document, text("two"))
	g.wait("the second revision", func(s status) bool { return s.Revision.Applied == 2 })

	for range 3 {
		if c, err := net.Dial("tcp", tcp); err == nil { // else it was reset meanwhile
			_, _ = io.ReadAll(c) // it is closed, perhaps by a reset
			c.Close()
		}
	}
	if line := g.waitLogged("endpoint failed"); line["address"] != refuses || line["cluster"] != "gone" {
		t.Errorf("logged %v, want the endpoint of cluster gone", line)
	}

	var open []net.Conn
	for range 4 {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	line := g.waitLogged("connection limit reached, new clients wait until a connection ends")
	if line["limit"] != 2.0 {
		t.Errorf("logged %v, want a limit of 2", line)
	}
	for _, c := range open {
		c.Close()
	}
	g.answers("/", http.StatusOK, "here")
	g.waitLogged("connections are below the limit again, no client waits")
	for message, want := range map[string]int{
		"certificate file expires soon": 1, "endpoint failed": 1,
		"connection limit reached, new clients wait until a connection ends": 1,
	} {
		if n := len(g.logged(message)); n != want {
			t.Errorf("%d lines %q, want %d", n, message, want)
		}
	}
}
