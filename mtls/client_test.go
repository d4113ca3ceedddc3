package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// endpoint is a server's tls.Config that shows pair.
func endpoint(t testing.TB, pair *testcert.Pair, protocols ...string) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}, NextProtos: protocols}
}

func TestEndpointVerification(t *testing.T) {
	ca, other, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "other"), t.TempDir()
	caFile := ca.Write(t, dir, "ca")
	const web = "spiffe://test/web"
	named := ca.Below(t, "below").Server(t, "api.test")
	many := ca.Leaf(t, testcert.Leaf{URIs: []string{web, "spiffe://test/other"}})
	clientOnly := ca.Leaf(t, testcert.Leaf{URIs: []string{web}, Edit: func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}})
	expired := ca.Leaf(t, testcert.Leaf{DNS: []string{"api.test"}, NotAfter: time.Now().Add(-time.Minute)})
	byName := config.ClusterTLS{Mode: config.TLSServer, CAFile: caFile, ServerName: "api.test"}
	byURI := config.ClusterTLS{Mode: config.TLSServer, CAFile: caFile, PeerURI: web}
	for _, row := range []struct {
		name     string
		settings config.ClusterTLS
		address  string
		shows    *testcert.Pair
		reason   string
	}{
		{"server_name", byName, "10.0.0.1:1", named, ""},
		{"endpoint's name", config.ClusterTLS{Mode: config.TLSServer, CAFile: caFile}, "api.test:443", named, ""},
		{"endpoint's address", config.ClusterTLS{Mode: config.TLSServer, CAFile: caFile}, "127.0.0.1:443", named, ""},
		{"other address", config.ClusterTLS{Mode: config.TLSServer, CAFile: caFile}, "[::1]:443", named,
			`certificate is not for "::1" (it is for api.test, 127.0.0.1)`},
		{"other name", byName, "x:1", ca.Server(t, "other.test"),
			`certificate is not for "api.test" (it is for other.test, 127.0.0.1)`},
		{"no name at all", byName, "x:1", ca.Leaf(t, testcert.Leaf{}),
			`certificate is not for "api.test" (it is for no name)`},
		{"foreign", byName, "x:1", other.Server(t, "api.test"), "certificate is signed by an unknown authority"},
		{"system's roots", config.ClusterTLS{Mode: config.TLSServer, ServerName: "api.test"}, "x:1", named,
			"certificate "},
		{"expired", byName, "x:1", expired, "certificate expired at " +
			expired.Cert.NotAfter.UTC().Format(time.RFC3339)},
		{"nothing verified", config.ClusterTLS{Mode: config.TLSServer, InsecureSkipVerify: true}, "x:1",
			other.Server(t, "y"), ""},
		{"URI", byURI, "x:1", ca.SPIFFE(t, web), ""},
		{"URI through an intermediate", byURI, "x:1", ca.Below(t, "below").SPIFFE(t, web), ""},
		{"other URI", byURI, "x:1", ca.SPIFFE(t, "spiffe://test/other"),
			`endpoint is not "spiffe://test/web" (it is "spiffe://test/other")`},
		{"URI that begins alike", byURI, "x:1", ca.SPIFFE(t, web+"/x"),
			`endpoint is not "spiffe://test/web" (it is "spiffe://test/web/x")`},
		{"no URI", byURI, "x:1", named, `endpoint is not "spiffe://test/web" (its certificate has no URI)`},
		{"two URIs", byURI, "x:1", many,
			`endpoint is not "spiffe://test/web" (its certificate has more than one URI: `},
		{"foreign URI", byURI, "x:1", other.SPIFFE(t, web), "certificate is signed by an unknown authority"},
		{"URI of a client", byURI, "x:1", clientOnly, "certificate is not for this use (extended key usage)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _ := newSet(t, Options{})
			client := prepare(t, set, clusterDoc(config.ProtocolHTTP1, row.settings)).Client("api")
			m := meet(t, endpoint(t, row.shows, "http/1.1"), client.Config(row.address))
			if row.reason == "" {
				m.mustWork(t)
				return
			}
			if got := Reason(m.clientErr); m.clientErr == nil || !strings.HasPrefix(got, row.reason) {
				t.Errorf("refused with %q, want %q", got, row.reason)
			}
		})
	}
}

func TestUpstreamProtocol(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	pair := ca.Server(t, "api.test")
	settings := config.ClusterTLS{Mode: config.TLSServer, CAFile: ca.Write(t, dir, "ca"), ServerName: "api.test"}
	for _, row := range []struct {
		name     string
		protocol string
		tunnel   bool
		speaks   []string
		want     string
		reason   string
	}{
		{"http1", config.ProtocolHTTP1, false, []string{"h2", "http/1.1"}, "http/1.1", ""},
		{"http1, no ALPN", config.ProtocolHTTP1, false, nil, "", ""},
		{"http2", config.ProtocolHTTP2, false, []string{"http/1.1", "h2"}, "h2", ""},
		{"http2, no ALPN", config.ProtocolHTTP2, false, nil, "", "endpoint did not agree on h2 (ALPN: none)"},
		{"http2, only http1", config.ProtocolHTTP2, false, []string{"http/1.1"}, "",
			"refused by the peer: no application protocol"},
		{"auto", config.ProtocolAuto, false, []string{"h2", "http/1.1"}, "h2", ""},
		{"auto, only http1", config.ProtocolAuto, false, []string{"http/1.1"}, "http/1.1", ""},
		{"auto, no ALPN", config.ProtocolAuto, false, nil, "", ""},
		{"tunnel of http2", config.ProtocolHTTP2, true, []string{"mysql"}, "", ""},
		{"tcp", config.ProtocolTCP, false, []string{"mysql"}, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _ := newSet(t, Options{})
			client := prepare(t, set, clusterDoc(row.protocol, settings)).Client("api")
			c := client.Config("x:1")
			if row.tunnel {
				c = client.TunnelConfig("x:1")
			}
			m := meet(t, endpoint(t, pair, row.speaks...), c)
			if got := Reason(m.clientErr); got != row.reason {
				t.Fatalf("refused with %q, want %q", got, row.reason)
			}
			if m.client.NegotiatedProtocol != row.want && row.reason == "" {
				t.Errorf("protocol %q, want %q", m.client.NegotiatedProtocol, row.want)
			}
		})
	}
}

// TestTunnelVerifies shows that what has no ALPN is verified all the same.
func TestTunnelVerifies(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{})
	client := prepare(t, set, clusterDoc(config.ProtocolTCP, config.ClusterTLS{
		Mode: config.TLSServer, CAFile: ca.Write(t, dir, "ca"), PeerURI: "spiffe://test/db",
	})).Client("api")
	meet(t, endpoint(t, ca.SPIFFE(t, "spiffe://test/db")), client.TunnelConfig("x:1")).mustWork(t)
	if m := meet(t, endpoint(t, ca.SPIFFE(t, "spiffe://test/web")), client.TunnelConfig("x:1")); m.clientErr == nil {
		t.Error("a tunnel to someone else was opened")
	}
}

func TestMutual(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	ours := ca.SPIFFE(t, "spiffe://test/ours")
	certFile, keyFile := ours.Write(t, dir, "ours")
	settings := config.ClusterTLS{
		Mode: config.TLSMutual, CAFile: ca.Write(t, dir, "ca"), CertFile: certFile, KeyFile: keyFile,
		ServerName: "api.test",
	}
	set, _ := newSet(t, Options{Unwatched: true})
	client := prepare(t, set, clusterDoc(config.ProtocolHTTP1, settings)).Client("api")
	server := endpoint(t, ca.Server(t, "api.test"))
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	m := meet(t, server, client.Config("x:1")).mustWork(t)
	if got := Identity(&m.server); got != "spiffe://test/ours" {
		t.Errorf("the endpoint saw %q", got)
	}
	if !meet(t, server, client.Config("x:1")).mustWork(t).client.DidResume {
		t.Error("the second connection to an endpoint did not resume")
	}
	if meet(t, server, client.Config("y:1")).mustWork(t).client.DidResume {
		t.Error("the session of one endpoint was offered to another")
	}

	// The renewed certificate is shown at once, not hidden behind an old session.
	renewed := ca.SPIFFE(t, "spiffe://test/renewed")
	renewed.Write(t, dir, "ours")
	set.Reload()
	m = meet(t, server, client.Config("x:1")).mustWork(t)
	if got := Identity(&m.server); got != "spiffe://test/renewed" || m.client.DidResume {
		t.Errorf("after the renewal the endpoint saw %q, resumed %v", got, m.client.DidResume)
	}

	// An endpoint that trusts others says so; we do not hide our certificate.
	server.ClientCAs = testcert.NewCA(t, "other").Pool()
	m = meet(t, server, client.Config("z:1"))
	if got := Reason(m.clientErr); got != "refused by the peer: unknown certificate authority" {
		t.Errorf("refused with %q", got)
	}
}

// TestRootsOfAClientRotate shows that a resumed session does not outlive its roots,
// by host name and by URI.
func TestRootsOfAClientRotate(t *testing.T) {
	for _, settings := range []config.ClusterTLS{
		{Mode: config.TLSServer, ServerName: "api.test"},
		{Mode: config.TLSServer, PeerURI: "spiffe://test/api"},
	} {
		bothVersions(t, func(t *testing.T, version uint16) {
			ca, next, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "next"), t.TempDir()
			settings.CAFile = ca.Write(t, dir, "ca")
			names := testcert.Leaf{DNS: []string{"api.test"}, URIs: []string{"spiffe://test/api"}}
			set, _ := newSet(t, Options{Unwatched: true})
			client := prepare(t, set, clusterDoc(config.ProtocolHTTP1, settings)).Client("api")
			server := endpoint(t, ca.Leaf(t, names))
			server.MaxVersion = version
			meet(t, server, client.Config("x:1")).mustWork(t)
			if !meet(t, server, client.Config("x:1")).mustWork(t).client.DidResume {
				t.Fatal("the second connection did not resume")
			}
			testcert.Replace(t, settings.CAFile, next.PEM())
			set.Reload()
			m := meet(t, server, client.Config("x:1"))
			if got := Reason(m.clientErr); got != "certificate is signed by an unknown authority" {
				t.Errorf("under other roots: %q", got)
			}
			server.Certificates = []tls.Certificate{next.Leaf(t, names).TLS(t)}
			meet(t, server, client.Config("x:1")).mustWork(t)
		})
	}
}

func TestClientsAreShared(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	doc := clusterDoc(config.ProtocolHTTP1, config.ClusterTLS{Mode: config.TLSServer, CAFile: ca.Write(t, dir, "ca")})
	doc.Clusters = append(doc.Clusters, doc.Clusters[0],
		config.Cluster{Name: "plain", TLS: config.ClusterTLS{Mode: config.TLSNone}})
	doc.Clusters[1].Name = "twin"
	set, _ := newSet(t, Options{Unwatched: true})
	one, two := prepare(t, set, doc), prepare(t, set, doc)
	if one.Client("api") == nil || one.Client("api") != two.Client("api") {
		t.Error("a cluster that did not change has another client in the next revision")
	}
	if one.Client("api") == one.Client("twin") {
		t.Error("two clusters have one client, and so one session cache")
	}
	if one.Client("plain") != nil || one.Server("web") != nil {
		t.Error("there is a client or server without TLS")
	}
	if n, _, _ := set.held(); n != 1 {
		t.Errorf("one file is %d sources", n)
	}
	one.Close()
	two.Close()
	if sources, _, clients := set.held(); sources != 0 || clients != 0 {
		t.Errorf("left behind: %d sources, %d clients", sources, clients)
	}
}
