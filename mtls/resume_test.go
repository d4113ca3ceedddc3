package mtls

import (
	"crypto/tls"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// resumer is a client with a certificate and a memory for sessions.
func resumer(t *testing.T, ca *testcert.CA, pair *testcert.Pair, version uint16) *tls.Config {
	client := browser(ca, "a.test")
	client.MaxVersion = version
	client.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	cert := pair.TLS(t)
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return client
}

func bothVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(VersionName(version), func(t *testing.T) { f(t, version) })
	}
}

func TestResumptionOutlivesCertificates(t *testing.T) {
	bothVersions(t, func(t *testing.T, version uint16) {
		ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
		settings := config.ListenerTLS{
			Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
			ClientCAFile: ca.Write(t, dir, "ca"),
		}
		set, _ := newSet(t, Options{Unwatched: true})
		server := prepare(t, set, listenerDoc(settings)).Server("web")
		client := resumer(t, ca, ca.SPIFFE(t, "spiffe://test/web"), version)
		if meet(t, server.ServerConfig(), client).mustWork(t).server.DidResume {
			t.Fatal("the first session was resumed")
		}
		if !meet(t, server.ServerConfig(), client).mustWork(t).server.DidResume {
			t.Fatal("the second session was not resumed")
		}

		renewed := ca.Server(t, "a.test")
		renewed.Write(t, dir, "a")
		set.Reload()
		m := meet(t, server.ServerConfig(), client).mustWork(t)
		if !m.server.DidResume {
			t.Error("not resumed after the certificate was renewed")
		}
		if got := Identity(&m.server); got != "spiffe://test/web" {
			t.Errorf("Identity of a resumed session = %q", got)
		}
		fresh := browser(ca, "a.test")
		fresh.GetClientCertificate = client.GetClientCertificate
		if m := meet(t, server.ServerConfig(), fresh).mustWork(t); m.shown() != serial(renewed.Cert) {
			t.Error("a fresh session sees the old certificate")
		}

		// The next revision has one more certificate; clients are none the wiser.
		settings.Certificates = append(settings.Certificates, certificate(ca.Server(t, "b.test").Write(t, dir, "b")))
		next := prepare(t, set, listenerDoc(settings)).Server("web")
		if next == server {
			t.Fatal("other settings gave the same server")
		}
		if !meet(t, next.ServerConfig(), client).mustWork(t).server.DidResume {
			t.Error("not resumed in the next revision")
		}
	})
}

func TestResumptionEndsWithTheRule(t *testing.T) {
	bothVersions(t, func(t *testing.T, version uint16) {
		ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
		settings := config.ListenerTLS{
			Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
			ClientCAFile: ca.Write(t, dir, "ca"),
			ClientAuth:   config.ClientAuthOptional,
		}
		both := dir + "/both.pem"
		testcert.Replace(t, both, append(ca.PEM(), testcert.NewCA(t, "other").PEM()...))
		set, _ := newSet(t, Options{Unwatched: true})
		server := prepare(t, set, listenerDoc(settings)).Server("web")
		for _, row := range []struct {
			name string
			edit func(*config.Listener)
			want bool
		}{
			{"required instead of optional", func(l *config.Listener) { l.TLS.ClientAuth = config.ClientAuthRequire },
				false},
			{"nobody is asked", func(l *config.Listener) { l.TLS.ClientCAFile, l.TLS.ClientAuth = "", "" }, false},
			{"other roots", func(l *config.Listener) { l.TLS.ClientCAFile = both }, false},
			{"another listener", func(l *config.Listener) { l.Name = "other" }, false},
			{"the rule is the same", func(l *config.Listener) { l.TLS.ClientCertHeader = true }, true},
		} {
			client := resumer(t, ca, ca.SPIFFE(t, "spiffe://test/web"), version)
			meet(t, server.ServerConfig(), client).mustWork(t)
			doc := listenerDoc(settings)
			row.edit(&doc.Listeners[0])
			next := prepare(t, set, doc).Server(doc.Listeners[0].Name)
			if m := meet(t, next.ServerConfig(), client).mustWork(t); m.server.DidResume != row.want {
				t.Errorf("%s: resumed %v, want %v", row.name, m.server.DidResume, row.want)
			}
		}
	})
}

func TestResumptionEndsWithTheRoots(t *testing.T) {
	bothVersions(t, func(t *testing.T, version uint16) {
		ca, nextCA, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "next"), t.TempDir()
		settings := config.ListenerTLS{
			Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
			ClientCAFile: ca.Write(t, dir, "clients"),
		}
		set, _ := newSet(t, Options{Unwatched: true})
		server := prepare(t, set, listenerDoc(settings)).Server("web")
		client := resumer(t, ca, ca.SPIFFE(t, "spiffe://test/web"), version)
		meet(t, server.ServerConfig(), client).mustWork(t)

		// Both authorities are good for a while: the client shows itself once more.
		testcert.Replace(t, settings.ClientCAFile, append(ca.PEM(), nextCA.PEM()...))
		set.Reload()
		if meet(t, server.ServerConfig(), client).mustWork(t).server.DidResume {
			t.Error("resumed although the roots have changed")
		}
		if !meet(t, server.ServerConfig(), client).mustWork(t).server.DidResume {
			t.Error("not resumed under the new roots")
		}

		// Then the old one is withdrawn: a ticket does not help.
		testcert.Replace(t, settings.ClientCAFile, nextCA.PEM())
		set.Reload()
		m := meet(t, server.ServerConfig(), client)
		if got := Reason(m.serverErr); got != "certificate is signed by an unknown authority" {
			t.Errorf("after its authority was withdrawn: %q", got)
		}
	})
}
