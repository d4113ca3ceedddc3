package sidecar_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

const (
	ask1 = "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n"
	// ask2 is a GET of / as HTTP/2 has it. That is the preface, SETTINGS, HEADERS on stream 1, and the GOAWAY of a
	// client that has no more to ask.
	ask2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
		"\x00\x00\x11\x01\x05\x00\x00\x00\x01\x82\x87\x84\x41\x0cgateway.test" +
		"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// sClient runs openssl s_client with arguments, says what is to be said, and gives what it prints when the other side
// has ended the connection.
func sClient(t testing.TB, address, says, args string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testserver.Binary(t, "openssl"),
		append([]string{"s_client", "-connect", address, "-ign_eof"}, strings.Fields(args)...)...)
	cmd.Stdin = strings.NewReader(says)
	cmd.SysProcAttr = testserver.DieWithParent()
	out, _ := cmd.CombinedOutput() // how a refusal ends depends on who is faster; what it prints does not
	return string(out)
}

// names are the names in the certificate that s_client has printed.
func names(t testing.TB, printed string) string {
	t.Helper()
	if !strings.Contains(printed, "BEGIN CERTIFICATE") {
		return ""
	}
	cmd := exec.CommandContext(t.Context(), testserver.Binary(t, "openssl"), "x509", "-noout", "-ext", "subjectAltName")
	cmd.Stdin = strings.NewReader(printed)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl x509: %v\n%s", err, out)
	}
	return string(out)
}

// A TLS stack that is not Go's comes to the listeners. It is shown the certificate for the name it asks for, in the
// versions that the document allows. It speaks the protocol it asks for, comes back with its ticket, and must prove
// itself where that is required.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	roots := ca.Write(t, dir, "ca")
	pair := func(ca *testcert.CA, name string, leaf testcert.Leaf) string {
		cert, key := ca.Leaf(t, leaf).Write(t, dir, name)
		return fmt.Sprintf("{cert_file: %q, key_file: %q}", cert, key)
	}
	certs := "certificates: [" + pair(ca.Below(t, "below"), "first", testcert.Leaf{DNS: []string{"first.test"}}) +
		", " +
		pair(ca, "wild", testcert.Leaf{DNS: []string{"*.b.test"}}) + ", " +
		pair(ca, "exact", testcert.Leaf{DNS: []string{"exact.b.test"}}) + "]"
	shown := func(name string) string { return fmt.Sprintf(" -cert %s/%s.pem -key %[1]s/%[2]s.key ", dir, name) }
	pair(ca, "client", testcert.Leaf{URIs: []string{"spiffe://x/client"}})
	pair(testcert.NewCA(t, "another"), "foreign", testcert.Leaf{URIs: []string{"spiffe://x/client"}})
	web, strict, mutual := testserver.Addr(t), testserver.Addr(t), testserver.Addr(t)
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, fmt.Sprintf(`
listeners:
- {name: web, address: %q, tls: {%s}}
- {name: strict, address: %q, tls: {%s, min_version: "1.3"}}
- {name: mutual, address: %q, tls: {%s, client_ca_file: %q}}
%s`, web, certs, strict, certs, mutual, certs, roots, one(app(t, "the app's answer"))))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG_FIELDS": "listener,client_identity"})

	const verified, answered = "Verify return code: 0 (ok)", "the app's answer"
	for _, tt := range []struct {
		name, address, args string
		want                []string // all in what it prints; refused when it is not answered
	}{
		{"first", web, "-servername first.test -verify_hostname first.test",
			[]string{verified, "New, TLSv1.3", answered}},
		{"wildcard", web, "-servername x.b.test -verify_hostname x.b.test",
			[]string{verified, "DNS:*.b.test", answered}},
		{"exact before wildcard", web, "-servername exact.b.test -verify_hostname exact.b.test",
			[]string{verified, "DNS:exact.b.test", answered}},
		{"no wildcard for two labels", web, "-servername x.y.b.test -verify_hostname first.test",
			[]string{verified, answered}},
		{"unknown name", web, "-servername c.test -verify_hostname first.test", []string{verified, answered}},
		{"no name", web, "-noservername -verify_hostname first.test", []string{verified, answered}},
		{"1.1", web, "-servername first.test -tls1_1 -cipher DEFAULT@SECLEVEL=0", []string{"alert protocol version"}},
		{"1.2", web, "-servername first.test -tls1_2", []string{"New, TLSv1.2", answered}},
		{"1.3", web, "-servername first.test -tls1_3", []string{"New, TLSv1.3", answered}},
		{"1.2 where 1.3 is least", strict, "-servername first.test -tls1_2", []string{"alert protocol version"}},
		{"1.3 where 1.3 is least", strict, "-servername first.test", []string{"New, TLSv1.3", answered}},
		{"no ALPN", web, "-servername first.test", []string{"No ALPN negotiated", answered}},
		{"http/1.1", web, "-servername first.test -alpn http/1.1", []string{"ALPN protocol: http/1.1", answered}},
		{"h2", web, "-servername first.test -alpn h2,http/1.1", []string{"ALPN protocol: h2", answered}},
		{"h2 over 1.2", web, "-servername first.test -tls1_2 -alpn h2", []string{"ALPN protocol: h2", answered}},
		{"another protocol", web, "-servername first.test -alpn imap", []string{"alert no application protocol"}},
		{"own certificate", mutual, "-servername first.test" + shown("client"), []string{verified, answered}},
		{"own certificate over 1.2", mutual, "-servername first.test -tls1_2" + shown("client"),
			[]string{verified, answered}},
		{"no certificate", mutual, "-servername first.test", []string{"alert certificate required"}},
		{"no certificate over 1.2", mutual, "-servername first.test -tls1_2", []string{"alert handshake failure"}},
		{"foreign certificate", mutual, "-servername first.test" + shown("foreign"), []string{"alert unknown ca"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			says := ask1
			if strings.Contains(tt.args, "-alpn h2") {
				says = ask2
			}
			out := sClient(t, tt.address, says, "-CAfile "+roots+" "+tt.args)
			if got, want := strings.Contains(out, answered), tt.want[len(tt.want)-1] == answered; got != want {
				t.Errorf("answered %v, want %v:\n%s", got, want, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) && !strings.Contains(names(t, out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}

	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		t.Run("comes back over "+version, func(t *testing.T) {
			flag := map[string]string{"TLSv1.2": " -tls1_2 ", "TLSv1.3": " -tls1_3 "}[version]
			for _, l := range []struct{ address, args string }{{web, ""}, {mutual, shown("client")}} {
				session := filepath.Join(t.TempDir(), "session")
				args := "-servername first.test" + flag + l.args
				if out := sClient(t, l.address, ask1, args+" -sess_out "+session); !strings.Contains(out, "New, "+
					version) || !strings.Contains(out, answered) {
					t.Fatalf("the first time:\n%s", out)
				}
				if out := sClient(t, l.address, ask1, args+" -sess_in "+session); !strings.Contains(out, "Reused, "+
					version) || !strings.Contains(out, answered) {
					t.Errorf("not resumed:\n%s", out)
				}
				if l.address == web { // a ticket of a listener that asks for no certificate proves nothing
					if out := sClient(t, mutual, ask1, args+" -sess_in "+session); strings.Contains(out, "Reused, ") ||
						strings.Contains(out, answered) {
						t.Errorf("with the ticket of another listener:\n%s", out)
					}
				}
			}
		})
	}
	if out := sClient(t, web, ask1, "-servername first.test -tls1_2 -reconnect"); strings.Count(out,
		"Reused, TLSv1.2") != 5 {
		t.Errorf("not resumed five times:\n%s", out)
	}
	testserver.WaitFor(t, longestWait, "who asked, in the access log", func() bool {
		return strings.Count(g.stdout(), `{"listener":"mutual","client_identity":"spiffe://x/client"}`) == 6 &&
			strings.Count(g.stdout(), `"mutual"`) == 6
	})
}
