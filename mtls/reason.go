package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Reason says in a few words why a handshake did not work. Or it says why a connection was refused right after one
// (TLS 1.3 servers look at a client's certificate only then). The text is short printable ASCII, fit for the log and
// /status. What the peer may choose in it, the names of its certificate, is bounded.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	if r := certificateReason(err); r != "" {
		return r
	}
	if own, ok := errors.AsType[*peerError](err); ok {
		return own.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if PlainHTTP(err) {
			return "plain HTTP on a TLS port"
		}
		return "peer does not speak TLS"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "refused by the peer: " + plain(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	op, ours := errors.AsType[*net.OpError](err)
	if ours && op.Op == "local error" && strings.HasSuffix(op.Err.Error(), "bad record MAC") {
		// OpenSSL sends the alert about our certificate in the clear, where TLS 1.3 has encrypted records already.
		return "peer broke off the handshake, most often because it does not trust the certificate"
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return "timed out"
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "peer closed the connection"
	}
	return plain(strings.TrimPrefix(err.Error(), "tls: "))
}

// certificateReason is empty if err is not about a certificate.
func certificateReason(err error) string {
	if host, ok := errors.AsType[x509.HostnameError](err); ok {
		names := "no name"
		if found := alternativeNames(host.Certificate); len(found) > 0 {
			names = strings.Join(found, ", ")
		}
		return fmt.Sprintf("certificate is not for %q (it is for %s)", plain(host.Host), plain(names))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate is signed by an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalidReason(invalid)
	}
	if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return "certificate cannot be verified: this system has no roots (name a ca_file)"
	}
	return ""
}

func invalidReason(e x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.Expired:
		if time.Now().Before(e.Cert.NotBefore) {
			return "certificate is not valid before " + e.Cert.NotBefore.UTC().Format(time.RFC3339)
		}
		return "certificate expired at " + e.Cert.NotAfter.UTC().Format(time.RFC3339)
	case x509.IncompatibleUsage:
		return "certificate is not for this use (extended key usage)"
	case x509.NotAuthorizedToSign:
		return "certificate is signed by one that is no authority"
	}
	return plain(strings.TrimPrefix(e.Error(), "x509: "))
}

// PlainHTTP tells whether a server's handshake broke off because the client sent
// an HTTP request in the clear. crypto/tls has then written nothing, so that the
// caller may answer, in plain text, on the connection under the TLS one.
func PlainHTTP(err error) bool {
	header, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || header.Conn == nil {
		return false
	}
	switch string(header.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", "TRACE", "CONNE", "PRI *",
		"GET h", "PUT h": // absolute form
		return true
	}
	return false
}

// Alerted tells whether a handshake ended because of what the peer sent, so that it was sent an alert. Closing the
// connection while there is something unread of it may take that from it.
func Alerted(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return false
	}
	slow, is := errors.AsType[net.Error](err)
	return err != nil && !(is && slow.Timeout()) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, net.ErrClosed)
}

// VersionName is a protocol version for the access log: "1.2", "1.3". It is
// empty if there is none.
func VersionName(version uint16) string {
	if version < tls.VersionTLS10 || version > tls.VersionTLS13 {
		return ""
	}
	return strings.TrimPrefix(tls.VersionName(version), "TLS ")
}
