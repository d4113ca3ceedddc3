package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// journal is a log whose entries are counted.
type journal struct{ testserver.Log }

func (j *journal) count(text string) int { return strings.Count(j.String(), text) }

func newSet(t *testing.T, o Options) (*Set, *journal) {
	t.Helper()
	j := &journal{}
	o.Logger = hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Info})
	s := NewSet(o)
	t.Cleanup(s.Close)
	return s, j
}

func prepare(t *testing.T, s *Set, doc *config.Document) *Prepared {
	t.Helper()
	p, err := s.Prepare(doc)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// listenerDoc is a revision of one HTTP listener called web.
func listenerDoc(settings config.ListenerTLS) *config.Document {
	return &config.Document{Listeners: []config.Listener{{Name: "web", Protocol: config.ProtocolHTTP, TLS: settings}}}
}

// clusterDoc is a revision of one cluster called api.
func clusterDoc(protocol string, settings config.ClusterTLS) *config.Document {
	return &config.Document{Clusters: []config.Cluster{{Name: "api", Protocol: protocol, TLS: settings}}}
}

func certificate(certFile, keyFile string) config.Certificate {
	return config.Certificate{CertFile: certFile, KeyFile: keyFile}
}

// meeting is how a handshake over loopback ended on both sides.
type meeting struct {
	server, client       tls.ConnectionState
	serverErr, clientErr error
}

// meet makes one connection and sends a byte both ways, so that also what TLS 1.3
// does after the handshake (tickets, refused certificates) has happened.
func meet(t testing.TB, server, client *tls.Config) meeting {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var m meeting
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := ln.Accept()
		if err != nil {
			m.serverErr = err
			return
		}
		defer raw.Close()
		conn := tls.Server(raw, server)
		m.serverErr = exchange(conn, false)
		m.server = conn.ConnectionState()
	}()
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, client)
	m.clientErr = exchange(conn, true)
	m.client = conn.ConnectionState()
	raw.Close()
	<-done
	return m
}

func exchange(conn *tls.Conn, first bool) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if err := conn.Handshake(); err != nil {
		return err
	}
	one := []byte{'x'}
	if first {
		if _, err := conn.Write(one); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(conn, one); err != nil {
		return err
	}
	if first {
		return nil
	}
	_, err := conn.Write(one)
	return err
}

func (m meeting) mustWork(t testing.TB) meeting {
	t.Helper()
	if m.serverErr != nil || m.clientErr != nil {
		t.Fatalf("handshake: server %v, client %v", m.serverErr, m.clientErr)
	}
	return m
}

// shown is the serial number of the certificate that the server showed.
func (m meeting) shown() string {
	if len(m.client.PeerCertificates) == 0 {
		return "none"
	}
	return serial(m.client.PeerCertificates[0])
}

func serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// browser is a client that trusts ca and asks for name.
func browser(ca *testcert.CA, name string) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), ServerName: name}
}

// eventually waits until ok says so. The limit is far below the safety poll, so
// that what is seen was noticed, not found by chance.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		<-tick.C
	}
}

// held is how much of each kind the set holds.
func (s *Set) held() (sources, servers, clients int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sources), len(s.servers), len(s.clients)
}
