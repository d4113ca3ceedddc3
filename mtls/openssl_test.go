package mtls

import (
	"crypto/tls"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// serve accepts and shakes hands until the test ends; it gives the address.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
			if Alerted(exchange(tls.Server(raw, config), false)) {
				netio.Linger(raw) // as the listeners do: closing at once could reset before the client has read why
			}
			raw.Close()
		}
	}()
	return ln.Addr().String()
}

// TestOpenSSL speaks to a listener with a TLS stack that is not Go's.
func TestOpenSSL(t *testing.T) {
	openssl := needOpenSSL(t)
	ca, other, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "other"), t.TempDir()
	caFile := ca.Write(t, dir, "ca")
	clientCert, clientKey := ca.SPIFFE(t, "spiffe://test/web").Write(t, dir, "client")
	foreignCert, foreignKey := other.SPIFFE(t, "spiffe://test/web").Write(t, dir, "foreign")
	pairs := []config.Certificate{
		certificate(ca.Below(t, "below").Server(t, "a.test").Write(t, dir, "a")),
		certificate(ca.Server(t, "*.b.test").Write(t, dir, "b")),
	}
	set, _ := newSet(t, Options{})
	doc := listenerDoc(config.ListenerTLS{Certificates: pairs})
	doc.Listeners = append(doc.Listeners,
		config.Listener{Name: "new", Protocol: config.ProtocolHTTP,
			TLS: config.ListenerTLS{Certificates: pairs, MinVersion: "1.3"}},
		config.Listener{Name: "mutual", Protocol: config.ProtocolHTTP,
			TLS: config.ListenerTLS{Certificates: pairs, ClientCAFile: caFile}})
	prepared := prepare(t, set, doc)
	at := map[string]string{}
	for _, l := range doc.Listeners {
		at[l.Name] = serve(t, prepared.Server(l.Name).ServerConfig())
	}
	for _, row := range []struct {
		name     string
		listener string
		args     string
		want     []string // all in the output
		refused  bool
	}{
		{"exact", "web", "-servername a.test -verify_hostname a.test",
			[]string{"Verify return code: 0 (ok)", "TLSv1.3"}, false},
		{"wildcard", "web", "-servername x.b.test -verify_hostname x.b.test", []string{"Verify return code: 0 (ok)"},
			false},
		{"default", "web", "-servername c.test -verify_hostname a.test", []string{"Verify return code: 0 (ok)"}, false},
		{"no name", "web", "-noservername -verify_hostname a.test", []string{"Verify return code: 0 (ok)"}, false},
		{"1.2", "web", "-tls1_2 -servername x.b.test -verify_hostname x.b.test",
			[]string{"Verify return code: 0 (ok)", "Protocol  : TLSv1.2"}, false},
		{"1.1", "web", "-tls1_1 -cipher DEFAULT@SECLEVEL=0 -servername a.test", []string{"protocol version"}, true},
		{"1.2 at 1.3", "new", "-tls1_2 -servername a.test", []string{"protocol version"}, true},
		{"1.3 at 1.3", "new", "-tls1_3 -servername a.test", []string{"TLSv1.3"}, false},
		{"h2", "web", "-alpn h2,http/1.1 -servername a.test", []string{"ALPN protocol: h2"}, false},
		{"http/1.1", "web", "-alpn http/1.1 -servername a.test", []string{"ALPN protocol: http/1.1"}, false},
		{"certificate shown", "mutual", "-servername a.test -cert " + clientCert + " -key " + clientKey,
			[]string{"Verify return code: 0 (ok)"}, false},
		{"no certificate", "mutual", "-servername a.test", []string{"certificate required"}, true},
		{"no certificate 1.2", "mutual", "-tls1_2 -servername a.test", []string{"handshake failure"}, true},
		{"foreign certificate", "mutual", "-servername a.test -cert " + foreignCert + " -key " + foreignKey,
			[]string{"unknown ca"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			// -ign_eof keeps the client there until the server has answered or refused.
			args := append([]string{"s_client", "-connect", at[row.listener], "-CAfile", caFile, "-ign_eof"},
				strings.Fields(row.args)...)
			cmd := exec.CommandContext(t.Context(), openssl, args...)
			cmd.Stdin = strings.NewReader("x")
			out, err := cmd.CombinedOutput()
			if (err != nil) != row.refused && row.refused {
				t.Errorf("openssl ended with %v, want a refusal", err)
			}
			for _, want := range row.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("openssl does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestOpenSSLResumes lets a foreign client come back with its ticket.
func TestOpenSSLResumes(t *testing.T) {
	openssl := needOpenSSL(t)
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{Unwatched: true})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	address := serve(t, server.ServerConfig())
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			session := dir + "/session" + version
			run := func(args ...string) string {
				args = append([]string{"s_client", "-connect", address, "-servername", "a.test", "-ign_eof", version},
					args...)
				cmd := exec.CommandContext(t.Context(), openssl, args...)
				cmd.Stdin = strings.NewReader("x")
				out, _ := cmd.CombinedOutput()
				return string(out)
			}
			if out := run("-sess_out", session); !strings.Contains(out, "New, TLSv1") {
				t.Fatalf("first connection:\n%s", out)
			}
			ca.Server(t, "a.test").Write(t, dir, "a")
			set.Reload()
			if out := run("-sess_in", session); !strings.Contains(out, "Reused, TLSv1") {
				t.Errorf("not resumed:\n%s", out)
			}
		})
	}
}

// TestReasonOfAClientThatDoesNotTrustUs is what the log says when OpenSSL refuses our certificate.
func TestReasonOfAClientThatDoesNotTrustUs(t *testing.T) {
	openssl := needOpenSSL(t)
	ca, other, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "other"), t.TempDir()
	foreign := other.Write(t, dir, "other")
	set, _ := newSet(t, Options{Unwatched: true})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	for version, want := range map[string]string{
		"-tls1_2": "refused by the peer: unknown certificate authority",
		"-tls1_3": "does not trust the certificate",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		reason := make(chan string, 1)
		go func() {
			raw, err := ln.Accept()
			if err != nil {
				reason <- err.Error()
				return
			}
			defer raw.Close()
			reason <- Reason(tls.Server(raw, server.ServerConfig()).HandshakeContext(t.Context()))
		}()
		cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", ln.Addr().String(), "-servername",
			"a.test",
			"-CAfile", foreign, "-verify_return_error", version)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s: openssl took the certificate:\n%s", version, out)
		}
		if got := <-reason; !strings.Contains(got, want) {
			t.Errorf("%s: reason %q, want %q", version, got, want)
		}
		ln.Close()
	}
}
