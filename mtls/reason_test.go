package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

func TestPlainHTTP(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	for _, row := range []struct {
		sent   string
		want   bool
		reason string
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, "plain HTTP on a TLS port"},
		{"GET http://a/ HTTP/1.1\r\n\r\n", true, "plain HTTP on a TLS port"},
		{"OPTIONS * HTTP/1.1\r\n\r\n", true, "plain HTTP on a TLS port"},
		{"DELETE /x HTTP/1.1\r\n\r\n", true, "plain HTTP on a TLS port"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true, "plain HTTP on a TLS port"},
		{"SSH-2.0-OpenSSH_9\r\n", false, "peer does not speak TLS"},
		{"\x16\x03\x01\x00\x04\x0e\x00\x00\x00", false, "received unexpected handshake message"},
		{"GE", false, "peer closed the connection"},
		{"", false, "peer closed the connection"},
	} {
		t.Run(fmt.Sprintf("%.12q", row.sent), func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				_, _ = io.WriteString(there, row.sent)
				if !row.want { // else the server's answer is awaited below
					there.Close()
				}
			}()
			err := tls.Server(here, server.ServerConfig()).HandshakeContext(t.Context())
			if got := PlainHTTP(err); got != row.want {
				t.Errorf("PlainHTTP(%v) = %v", err, got)
			}
			if got := Reason(err); !strings.Contains(got, row.reason) {
				t.Errorf("Reason = %q, want %q", got, row.reason)
			}
			here.Close()
			there.Close()
		})
	}
}

func TestReasonIsShortAndSafe(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("name-%d.test", i))
	}
	many := ca.Leaf(t, testcert.Leaf{DNS: names}).Cert
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""},
		{"many names", fmt.Errorf("dial: %w", x509.HostnameError{Certificate: many, Host: "x\ny"}),
			`certificate is not for "x?y" (it is for name-0.test, `},
		{"deadline", context.DeadlineExceeded, "timed out"},
		{"timeout of a socket", &net.OpError{Op: "read", Err: timeoutError{}}, "timed out"},
		{"alert", &net.OpError{Op: "remote error", Err: tls.AlertError(48)},
			"refused by the peer: unknown certificate authority"},
		{"no roots", x509.SystemRootsError{},
			"certificate cannot be verified: this system has no roots (name a ca_file)"},
		{"anything", errors.New("tls: odd\r\nx: y" + strings.Repeat("z", 1000)), "odd??x: yzzz"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := Reason(row.err)
			if !strings.HasPrefix(got, row.want) || (got == "") != (row.want == "") {
				t.Errorf("Reason = %q, want %q", got, row.want)
			}
			if len(got) > 2*maxText+100 || strings.ContainsAny(got, "\r\n") {
				t.Errorf("Reason is not fit for a log: %d bytes, %q", len(got), got)
			}
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestVersionName(t *testing.T) {
	for version, want := range map[uint16]string{0: "", 0x0300: "", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3",
		0x0305: ""} {
		if got := VersionName(version); got != want {
			t.Errorf("VersionName(%#x) = %q, want %q", version, got, want)
		}
	}
}
