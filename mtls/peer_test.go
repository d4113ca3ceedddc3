package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// state is a connection on which leaf was proved.
func state(leaf *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{leaf},
		VerifiedChains:   [][]*x509.Certificate{{leaf}},
	}
}

func TestIdentity(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	for _, row := range []struct {
		name string
		leaf testcert.Leaf
		want string
	}{
		{"SPIFFE first", testcert.Leaf{URIs: []string{"https://x.test/", "spiffe://test/web"}, DNS: []string{"a.test"}},
			"spiffe://test/web"},
		{"other URI", testcert.Leaf{URIs: []string{"urn:x:y"}, DNS: []string{"a.test"}}, "urn:x:y"},
		{"DNS", testcert.Leaf{DNS: []string{"a.test"}, Emails: []string{"a@b.test"}, IPs: []string{"10.0.0.1"}},
			"a.test"},
		{"e-mail", testcert.Leaf{Emails: []string{"a@b.test"}, IPs: []string{"10.0.0.1"}}, "a@b.test"},
		{"address", testcert.Leaf{IPs: []string{"10.0.0.1"}, Subject: pkix.Name{CommonName: "web"}}, "10.0.0.1"},
		{"subject", testcert.Leaf{Subject: pkix.Name{CommonName: "web", Organization: []string{"Acme"}}},
			"CN=web,O=Acme"},
		{"not printable", testcert.Leaf{DNS: []string{"a\r\nx: y", "b.test"}}, "b.test"},
	} {
		t.Run(row.name, func(t *testing.T) {
			leaf := ca.Leaf(t, row.leaf).Cert
			if got := Identity(state(leaf)); got != row.want {
				t.Errorf("Identity = %q, want %q", got, row.want)
			}
			shownOnly := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
			if got := Identity(shownOnly); got != "" {
				t.Errorf("Identity of a certificate that was not verified = %q", got)
			}
		})
	}
	if got := Identity(nil); got != "" {
		t.Errorf("Identity without TLS = %q", got)
	}
}

func TestForwardedCert(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	settings := config.ListenerTLS{
		Certificates: []config.Certificate{
			certificate(ca.Server(t, "a.test").Write(t, dir, "a")),
			certificate(ca.Leaf(t, testcert.Leaf{DNS: []string{"b.test"},
				URIs: []string{"spiffe://test/gateway"}}).Write(t, dir, "b")),
		},
		ClientCAFile:     ca.Write(t, dir, "ca"),
		ClientAuth:       config.ClientAuthOptional,
		ClientCertHeader: true,
	}
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(settings)).Server("web")
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("name-%d.test", i)
	}
	for _, row := range []struct {
		name string
		asks string
		leaf testcert.Leaf
		want string // HASH stands for the hash
	}{
		{"as in Envoy's documentation", "b.test",
			testcert.Leaf{URIs: []string{"spiffe://test/web"}, DNS: []string{"x.test", "y.test"}, Subject: pkix.Name{
				Country: []string{"US"}, Province: []string{"CA"}, Locality: []string{"San Francisco"},
				Organization: []string{"Lyft"}, CommonName: "Test Client"}},
			`By=spiffe://test/gateway;HASH;Subject="CN=Test Client,O=Lyft,L=San Francisco,ST=CA,` +
				`C=US";URI=spiffe://test/web;DNS=x.test;DNS=y.test`},
		{"no URI of ours", "a.test", testcert.Leaf{URIs: []string{"spiffe://test/web"}},
			`HASH;Subject="";URI=spiffe://test/web`},
		{"no names", "a.test", testcert.Leaf{}, `HASH;Subject="";URI=`},
		{"separators", "a.test",
			testcert.Leaf{URIs: []string{"urn:a;b,c=d"}, Subject: pkix.Name{CommonName: `x";Hash=0`}},
			`HASH;Subject="CN=x\"\;Hash=0";URI="urn:a;b,c=d"`},
		{"line breaks", "a.test", testcert.Leaf{Subject: pkix.Name{CommonName: "x\r\ny: z"}, DNS: []string{"a\r\nb"}},
			`HASH;Subject="CN=x\0D\0Ay: z";URI=`},
		{"too long", "a.test", testcert.Leaf{DNS: many}, `HASH`},
	} {
		t.Run(row.name, func(t *testing.T) {
			pair := ca.Leaf(t, row.leaf)
			client := browser(ca, row.asks)
			client.Certificates = []tls.Certificate{pair.TLS(t)}
			m := meet(t, server.ServerConfig(), client).mustWork(t)
			digest := sha256.Sum256(pair.Cert.Raw)
			want := strings.Replace(row.want, "HASH", "Hash="+hex.EncodeToString(digest[:]), 1)
			if got := server.ForwardedCert(&m.server); got != want {
				t.Errorf("ForwardedCert:\n%s\nwant:\n%s", got, want)
			}
		})
	}

	anonymous := meet(t, server.ServerConfig(), browser(ca, "a.test")).mustWork(t)
	if got := server.ForwardedCert(&anonymous.server); got != "" {
		t.Errorf("ForwardedCert of nobody = %q", got)
	}
	settings.ClientCertHeader = false
	silent := prepare(t, set, listenerDoc(settings)).Server("web")
	if got := silent.ForwardedCert(state(ca.SPIFFE(t, "spiffe://test/web").Cert)); got != "" {
		t.Errorf("ForwardedCert of a listener that is not to tell = %q", got)
	}
}

// TestDistinguishedNameAsOpenSSL compares with the tool that everyone compares with.
func TestDistinguishedNameAsOpenSSL(t *testing.T) {
	openssl := needOpenSSL(t)
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	attr := func(oid string, value any) pkix.AttributeTypeAndValue {
		var id asn1.ObjectIdentifier
		for part := range strings.SplitSeq(oid, ".") {
			n := 0
			if _, err := fmt.Sscan(part, &n); err != nil {
				t.Fatal(err)
			}
			id = append(id, n)
		}
		return pkix.AttributeTypeAndValue{Type: id, Value: value}
	}
	bmp := asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte{0, 'h', 0x20, 0xac}}
	t61 := asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte{'M', 0xfc}}
	for _, row := range []struct {
		name string
		rdn  pkix.RDNSequence
	}{
		{"empty", nil},
		{"order is kept", pkix.RDNSequence{{attr("2.5.4.3", "web")}, {attr("2.5.4.6", "DE")},
			{attr("2.5.4.10", "Acme")}}},
		{"known names", pkix.RDNSequence{
			{attr("0.9.2342.19200300.100.1.25", "test")}, {attr("2.5.4.7", "B")}, {attr("2.5.4.8", "S")},
			{attr("2.5.4.9", "st")},
			{attr("2.5.4.17", "1")}, {attr("2.5.4.11", "U")}, {attr("2.5.4.5", "5")}, {attr("2.5.4.4", "s")},
			{attr("2.5.4.12", "t")},
			{attr("2.5.4.42", "g")}, {attr("2.5.4.46", "q")}, {attr("0.9.2342.19200300.100.1.1", "u")},
			{attr("1.2.840.113549.1.9.1", "a@b.test")}}},
		{"several at one level", pkix.RDNSequence{{attr("2.5.4.3", "web"), attr("2.5.4.11", "x")}}},
		{"special characters", pkix.RDNSequence{{attr("2.5.4.3", ` #a,b+c"d\e<f>g;h=i `)}, {attr("2.5.4.10", "#x")},
			{attr("2.5.4.11", " ")}}},
		{"control bytes", pkix.RDNSequence{{attr("2.5.4.3", "a\r\nb\x00c\x7f\td")}}},
		{"not ASCII", pkix.RDNSequence{{attr("2.5.4.3", "Grüße 世界")}}},
		{"old strings", pkix.RDNSequence{{attr("2.5.4.3", bmp)}, {attr("2.5.4.10", t61)}}},
		{"unknown attribute", pkix.RDNSequence{{attr("1.3.6.1.4.1.99999.1", "x")}, {attr("2.5.4.3", "web")}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw, err := asn1.Marshal(row.rdn)
			must(t, err)
			pair := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"},
				Edit: func(c *x509.Certificate) { c.RawSubject = raw }})
			certFile, _ := pair.Write(t, dir, "a")
			out, err := exec.Command(openssl, "x509", "-in", certFile, "-noout", "-subject", "-nameopt",
				"RFC2253").CombinedOutput()
			if err != nil {
				t.Fatalf("openssl: %v\n%s", err, out)
			}
			want := strings.TrimSuffix(strings.TrimPrefix(string(out), "subject="), "\n")
			if got := distinguishedName(pair.Cert.RawSubject); got != want {
				t.Errorf("distinguishedName:\n%s\nopenssl:\n%s", got, want)
			}
		})
	}
}

func TestDistinguishedNameOfOddBytes(t *testing.T) {
	odd, err := asn1.Marshal(pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: 7}}})
	must(t, err)
	if got := distinguishedName(odd); got != "CN=#020107" {
		t.Errorf("distinguishedName of a number = %q", got)
	}
	if got := distinguishedName([]byte("x")); got != "" {
		t.Errorf("distinguishedName of no name = %q", got)
	}
}

func FuzzDistinguishedName(f *testing.F) {
	for _, name := range []pkix.Name{{}, {CommonName: "a,b"}, {Organization: []string{"ü", "\r\n"}}} {
		raw, err := asn1.Marshal(name.ToRDNSequence())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range []byte(distinguishedName(raw)) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q has a byte that is not printable", distinguishedName(raw))
			}
		}
	})
}

func TestQuotedURIsStayWhole(t *testing.T) {
	leaf := &x509.Certificate{URIs: []*url.URL{{Scheme: "urn", Opaque: `a"b\c`}}}
	if got := forwardedCert(&x509.Certificate{}, leaf); !strings.HasSuffix(got, `URI="urn:a\"b\\c"`) {
		t.Errorf("forwardedCert = %s", got)
	}
}

func needOpenSSL(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed: apt-get install openssl")
	}
	return path
}
