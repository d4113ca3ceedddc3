package mtls

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// TestPrepareNamesWhatIsWrong runs in the folder of the files, so that messages
// are as short as those that people see.
func TestPrepareNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ca := testcert.NewCA(t, "ca")
	ca.Write(t, dir, "ca")
	a := certificate("a.pem", "a.key")
	ca.Server(t, "a.test").Write(t, dir, "a")
	ca.Server(t, "b.test").Write(t, dir, "b")
	must(t, os.Mkdir("folder", 0o700))
	client := func(edit func(*config.ClusterTLS)) *config.Document {
		settings := config.ClusterTLS{Mode: config.TLSMutual, CAFile: "ca.pem", CertFile: "a.pem", KeyFile: "a.key"}
		edit(&settings)
		return clusterDoc(config.ProtocolHTTP1, settings)
	}
	for _, row := range []struct {
		name string
		doc  *config.Document
		want string
	}{
		{"mismatch", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{a,
			certificate("b.pem", "a.key")}}),
			"listeners[0].tls.certificates[1]: a.key: does not belong to b.pem"},
		{"missing certificate", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{certificate("x.pem",
			"a.key")}}),
			"listeners[0].tls.certificates[0]: x.pem: no such file or directory"},
		{"missing key", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{certificate("a.pem",
			"x.key")}}),
			"listeners[0].tls.certificates[0]: x.key: no such file or directory"},
		{"swapped", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{certificate("a.key", "a.pem")}}),
			"listeners[0].tls.certificates[0]: a.key: holds no certificate (PRIVATE KEY)"},
		{"folder", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{certificate("folder", "a.key")}}),
			"listeners[0].tls.certificates[0]: folder: not a regular file (a folder)"},
		{"no CA", listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{a}, ClientCAFile: "a.key"}),
			"listeners[0].tls.client_ca_file: a.key: holds no certificate (PRIVATE KEY)"},
		{"everything at once", listenerDoc(config.ListenerTLS{
			Certificates: []config.Certificate{certificate("x.pem", "a.key"), a, certificate("y.pem", "a.key")},
			ClientCAFile: "z.pem"}),
			"listeners[0].tls.certificates[0]: x.pem: no such file or directory\n" +
				"listeners[0].tls.certificates[2]: y.pem: no such file or directory\n" +
				"listeners[0].tls.client_ca_file: z.pem: no such file or directory"},
		{"cluster's CA", client(func(c *config.ClusterTLS) { c.CAFile = "x.pem" }),
			"clusters[0].tls.ca_file: x.pem: no such file or directory"},
		{"cluster's pair", client(func(c *config.ClusterTLS) { c.KeyFile = "b.key" }),
			"clusters[0].tls: b.key: does not belong to a.pem"},
		{"relative URI", client(func(c *config.ClusterTLS) { c.PeerURI = "web" }),
			`clusters[0].tls.peer_uri: not an absolute URI ("web")`},
		{"odd URI", client(func(c *config.ClusterTLS) { c.PeerURI = "SPIFFE://test/a" }),
			`clusters[0].tls.peer_uri: not in the form that certificates are compared in ("SPIFFE://test/a", ` +
				`write "spiffe://test/a")`},
		{"contradiction", client(func(c *config.ClusterTLS) {
			c.PeerURI, c.InsecureSkipVerify = "spiffe://test/a",
				true
		}),
			"clusters[0].tls: peer_uri and insecure_skip_verify exclude each other"},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, _ := newSet(t, Options{Unwatched: true})
			if _, err := set.Prepare(row.doc); err == nil || err.Error() != row.want {
				t.Errorf("Prepare:\n%v\nwant:\n%s", err, row.want)
			}
			if sources, servers, clients := set.held(); sources+servers+clients != 0 {
				t.Error("a refused revision holds something")
			}
		})
	}
}

// TestKnownFilesAreGoodEnough shows that a revision is prepared while a rotation
// of its certificates is half done.
func TestKnownFilesAreGoodEnough(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	settings := config.ListenerTLS{Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir,
		"a"))}}
	set, _ := newSet(t, Options{Unwatched: true})
	prepare(t, set, listenerDoc(settings))
	must(t, os.Remove(settings.Certificates[0].KeyFile))
	set.Reload()
	settings.MinVersion = "1.3"
	next := prepare(t, set, listenerDoc(settings))
	meet(t, next.Server("web").ServerConfig(), browser(ca, "a.test")).mustWork(t)
}

func TestStatusAndExpiry(t *testing.T) {
	ca, dir := testcert.NewCA(t, "our ca"), t.TempDir()
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	leaf := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, URIs: []string{"spiffe://test/a"}, NotAfter: soon})
	expired := ca.Leaf(t, testcert.Leaf{DNS: []string{"b.test"}, NotAfter: time.Now().Add(-time.Minute)})
	settings := config.ListenerTLS{
		Certificates: []config.Certificate{certificate(leaf.Write(t, dir, "a")),
			certificate(expired.Write(t, dir, "b"))},
		ClientCAFile: ca.Write(t, dir, "ca"),
	}
	// A combined file: certificate and key in one, and a CA file besides.
	combined := filepath.Join(dir, "combined.pem")
	self := ca.Server(t, "c.test")
	testcert.Replace(t, combined, append(self.KeyPEM, self.CertPEM...))
	settings.Certificates = append(settings.Certificates, certificate(combined, combined))
	doc := listenerDoc(settings)
	doc.Clusters = clusterDoc(config.ProtocolHTTP1,
		config.ClusterTLS{Mode: config.TLSServer, CAFile: combined}).Clusters
	set, log := newSet(t, Options{Unwatched: true})
	prepare(t, set, doc).InService()

	list := set.Status()
	var paths []string
	for _, st := range list {
		paths = append(paths, st.Kind+" "+filepath.Base(st.Path))
		if st.Since.IsZero() || st.Error != "" {
			t.Errorf("status %+v", st)
		}
	}
	want := []string{"certificate a.pem", "certificate b.pem", "ca ca.pem", "ca combined.pem",
		"certificate combined.pem"}
	if len(paths) != len(want) {
		t.Fatalf("status of %q, want %q", paths, want)
	}
	for i := range want {
		if paths[i] != want[i] {
			t.Errorf("status of %q, want %q", paths, want)
		}
	}
	if a := list[0]; !a.NotAfter.Equal(soon) || len(a.Subjects) != 2 || a.Subjects[0] != "spiffe://test/a" {
		t.Errorf("status %+v", a)
	}
	if roots := list[2]; len(roots.Subjects) != 1 || roots.Subjects[0] != "CN=our ca" {
		t.Errorf("status %+v", roots)
	}
	if n := log.count("has expired"); n != 1 {
		t.Errorf("%d warnings of an expired certificate, want 1", n)
	}
	metric := set.Certificates()
	if len(metric) != 4 || metric[0].Name != list[0].Path || !metric[0].NotAfter.Equal(soon) {
		t.Errorf("Certificates() = %+v", metric)
	}
}
