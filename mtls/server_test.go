package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

func TestCertificateByServerName(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	pairs := map[string]*testcert.Pair{
		"first": ca.Server(t, "first.test"),
		"exact": ca.Server(t, "a.example.test", "Upper.example.TEST"),
		"wild":  ca.Server(t, "*.example.test"),
		"old":   ca.Leaf(t, testcert.Leaf{Subject: pkix.Name{CommonName: "old.test"}}),
	}
	var settings config.ListenerTLS
	for _, name := range []string{"first", "wild", "exact", "old"} { // exact wins although it is later
		settings.Certificates = append(settings.Certificates, certificate(pairs[name].Write(t, dir, name)))
	}
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(settings)).Server("web")
	for _, row := range []struct{ name, want string }{
		{"first.test", "first"},
		{"a.example.test", "exact"},
		{"A.EXAMPLE.TEST", "exact"},
		{"upper.example.test", "exact"},
		{"b.example.test", "wild"},
		{"x.b.example.test", "first"}, // a star is one label
		{"example.test", "first"},
		{"old.test", "old"}, // a common name is a name where there is no other
		{"other.test", "first"},
		{"", "first"},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &tls.Config{ServerName: row.name, InsecureSkipVerify: true}
			m := meet(t, server.ServerConfig(), client).mustWork(t)
			if want := serial(pairs[row.want].Cert); m.shown() != want {
				t.Errorf("server name %q: certificate %s, want %s (%s)", row.name, m.shown(), want, row.want)
			}
		})
	}
}

func TestKeyTypeByClient(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	ec := ca.Server(t, "a.test")
	rsa := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, RSA: true})
	settings := config.ListenerTLS{Certificates: []config.Certificate{
		certificate(ec.Write(t, dir, "ec")), certificate(rsa.Write(t, dir, "rsa")),
	}}
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(settings)).Server("web")
	for _, row := range []struct {
		name, serverName string
		suite            uint16
		want             *testcert.Pair
	}{
		{"both", "a.test", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ec},
		{"old client", "a.test", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, rsa},
		{"old client, unknown name", "b.test", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, rsa},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &tls.Config{
				ServerName: row.serverName, InsecureSkipVerify: true,
				MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{row.suite},
			}
			m := meet(t, server.ServerConfig(), client).mustWork(t)
			if m.shown() != serial(row.want.Cert) {
				t.Errorf("certificate %s, want %s", m.shown(), serial(row.want.Cert))
			}
		})
	}
}

func TestVersionsAndProtocols(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	pair := certificate(ca.Server(t, "a.test").Write(t, dir, "a"))
	for _, row := range []struct {
		name     string
		min      string
		max      uint16
		offer    []string
		plane    string
		version  string // empty = refused
		protocol string
	}{
		{"best of both", "1.2", tls.VersionTLS13, []string{"http/1.1", "h2"}, config.ProtocolHTTP, "1.3", "h2"},
		{"1.2 client", "1.2", tls.VersionTLS12, []string{"http/1.1"}, config.ProtocolHTTP, "1.2", "http/1.1"},
		{"nothing said", "", tls.VersionTLS12, nil, config.ProtocolHTTP, "1.2", ""},
		{"1.1 client", "1.2", tls.VersionTLS11, nil, config.ProtocolHTTP, "", ""},
		{"1.2 client at 1.3", "1.3", tls.VersionTLS12, nil, config.ProtocolHTTP, "", ""},
		{"unknown protocol", "1.2", tls.VersionTLS13, []string{"spdy/1"}, config.ProtocolHTTP, "", ""},
		{"l4 ignores it", "1.2", tls.VersionTLS13, []string{"spdy/1"}, config.ProtocolTCP, "1.3", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			doc := listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{pair}, MinVersion: row.min})
			doc.Listeners[0].Protocol = row.plane
			set, _ := newSet(t, Options{})
			server := prepare(t, set, doc).Server("web")
			client := browser(ca, "a.test")
			client.MinVersion, client.MaxVersion, client.NextProtos = tls.VersionTLS10, row.max, row.offer
			m := meet(t, server.ServerConfig(), client)
			if row.version == "" {
				if m.serverErr == nil {
					t.Errorf("TLS %s was spoken, want a refusal", VersionName(m.server.Version))
				}
				return
			}
			m.mustWork(t)
			if got := VersionName(m.server.Version); got != row.version || m.client.NegotiatedProtocol != row.protocol {
				t.Errorf("TLS %s %q, want %s %q", got, m.client.NegotiatedProtocol, row.version, row.protocol)
			}
		})
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "other"), t.TempDir()
	pair := certificate(ca.Server(t, "a.test").Write(t, dir, "a"))
	caFile := ca.Write(t, dir, "ca")
	good := ca.Below(t, "below").SPIFFE(t, "spiffe://test/web")
	foreign := other.SPIFFE(t, "spiffe://test/web")
	expired := ca.Leaf(t, testcert.Leaf{URIs: []string{"spiffe://test/web"}, NotAfter: time.Now().Add(-time.Minute)})
	serverOnly := ca.Leaf(t, testcert.Leaf{DNS: []string{"web"}, Edit: func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}})
	for _, row := range []struct {
		name     string
		auth     string
		caFile   string
		client   *testcert.Pair
		identity string
		reason   string // of a refusal
	}{
		{"none asked", "", "", good, "", ""},
		{"none asked in spite of a CA", config.ClientAuthNone, caFile, good, "", ""},
		{"optional, absent", config.ClientAuthOptional, caFile, nil, "", ""},
		{"optional, shown", config.ClientAuthOptional, caFile, good, "spiffe://test/web", ""},
		{"optional, foreign", config.ClientAuthOptional, caFile, foreign, "",
			"certificate is signed by an unknown authority"},
		{"required by default, absent", "", caFile, nil, "", "client didn't provide a certificate"},
		{"required, shown", config.ClientAuthRequire, caFile, good, "spiffe://test/web", ""},
		{"required, foreign", config.ClientAuthRequire, caFile, foreign, "",
			"certificate is signed by an unknown authority"},
		{"required, expired", config.ClientAuthRequire, caFile, expired, "", "certificate expired at"},
		{"required, not for clients", config.ClientAuthRequire, caFile, serverOnly, "",
			"certificate is not for this use"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(row.name+" "+VersionName(version), func(t *testing.T) {
				set, _ := newSet(t, Options{})
				server := prepare(t, set, listenerDoc(config.ListenerTLS{
					Certificates: []config.Certificate{pair}, ClientAuth: row.auth, ClientCAFile: row.caFile,
				})).Server("web")
				client := browser(ca, "a.test")
				client.MaxVersion = version
				if row.client != nil {
					cert := row.client.TLS(t)
					client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate,
						error) {
						return &cert, nil
					}
				}
				m := meet(t, server.ServerConfig(), client)
				if row.reason != "" {
					if got := Reason(m.serverErr); !strings.HasPrefix(got, row.reason) {
						t.Errorf("refused with %q, want %q", got, row.reason)
					}
					if m.clientErr == nil || !strings.HasPrefix(Reason(m.clientErr), "refused by the peer: ") {
						t.Errorf("the client saw %q", Reason(m.clientErr))
					}
					return
				}
				m.mustWork(t)
				if got := Identity(&m.server); got != row.identity {
					t.Errorf("Identity = %q, want %q", got, row.identity)
				}
			})
		}
	}
}

func TestServerConfigIsBuiltOnce(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	hello := &tls.ClientHelloInfo{ServerName: "a.test"}
	allocs := testing.AllocsPerRun(100, func() {
		c, err := server.ServerConfig().GetConfigForClient(hello)
		if err != nil || c == nil || !c.DynamicRecordSizingDisabled {
			t.Errorf("GetConfigForClient = %v, %v", c, err)
		}
		if _, err := c.GetCertificate(hello); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("choosing a certificate allocates %v times, want 0", allocs)
	}
}
