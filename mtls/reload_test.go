package mtls

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/filewatch"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// site is one watched listener for a.test.
type site struct {
	set       *Set
	log       *journal
	ca        *testcert.CA
	dir       string
	cert, key string
	server    *Server
	prepared  *Prepared
}

func newSite(t *testing.T) *site {
	t.Helper()
	testserver.Goroutines(t)
	s := &site{ca: testcert.NewCA(t, "ca"), dir: t.TempDir()}
	s.set, s.log = newSet(t, Options{})
	s.cert, s.key = s.ca.Server(t, "a.test").Write(t, s.dir, "a")
	s.prepared = prepare(t, s.set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(s.cert, s.key)},
	}))
	s.server = s.prepared.Server("web")
	return s
}

// shown is the serial number that a new connection sees.
func (s *site) shown(t testing.TB) string {
	t.Helper()
	return meet(t, s.server.ServerConfig(), browser(s.ca, "a.test")).mustWork(t).shown()
}

func (s *site) serves(t *testing.T, pair *testcert.Pair) {
	t.Helper()
	eventually(t, "new connections see the new certificate", func() bool { return s.shown(t) == serial(pair.Cert) })
}

func (s *site) status(t *testing.T, path string) Status {
	t.Helper()
	for _, st := range s.set.Status() {
		if st.Path == path {
			return st
		}
	}
	t.Fatalf("no status of %s in %+v", path, s.set.Status())
	return Status{}
}

func TestWaysOfReplacing(t *testing.T) {
	for _, row := range []struct {
		name    string
		replace func(t *testing.T, s *site, pair *testcert.Pair)
	}{
		{"rename over", func(t *testing.T, s *site, pair *testcert.Pair) { pair.Write(t, s.dir, "a") }},
		{"write in place", func(t *testing.T, s *site, pair *testcert.Pair) {
			write(t, s.cert, pair.CertPEM)
			write(t, s.key, pair.KeyPEM)
		}},
		{"editor with a backup", func(t *testing.T, s *site, pair *testcert.Pair) {
			for path, content := range map[string][]byte{s.cert: pair.CertPEM, s.key: pair.KeyPEM} {
				must(t, os.Rename(path, path+"~"))
				write(t, path, content)
			}
		}},
		{"remove, then create", func(t *testing.T, s *site, pair *testcert.Pair) {
			must(t, os.Remove(s.cert))
			must(t, os.Remove(s.key))
			pair.Write(t, s.dir, "a")
		}},
		{"whole directory", func(t *testing.T, s *site, pair *testcert.Pair) {
			next := filepath.Join(t.TempDir(), "next")
			must(t, os.Mkdir(next, 0o700))
			pair.Write(t, next, "a")
			must(t, os.Rename(s.dir, s.dir+".old"))
			must(t, os.Rename(next, s.dir))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			for range 2 { // what watches must outlive the first change
				pair := s.ca.Server(t, "a.test")
				row.replace(t, s, pair)
				s.serves(t, pair)
				must(t, os.RemoveAll(s.dir+".old"))
			}
		})
	}
}

// TestLinksSwap replaces what links lead to, as Kubernetes and certbot do.
func TestLinksSwap(t *testing.T) {
	for _, row := range []struct {
		name string
		path func(mount string) string // of the directory that the document names
		swap func(t *testing.T, mount, version string)
	}{
		{
			"secret", func(mount string) string { return mount },
			func(t *testing.T, mount, version string) { relink(t, version, filepath.Join(mount, "..data")) },
		},
		{
			"link above", func(mount string) string { return filepath.Join(mount, "current", "sub") },
			func(t *testing.T, mount, version string) {
				must(t, os.MkdirAll(filepath.Join(mount, version, "sub"), 0o700))
				for _, f := range []string{"a.pem", "a.key"} {
					must(t, os.Rename(filepath.Join(mount, version, f), filepath.Join(mount, version, "sub", f)))
				}
				relink(t, filepath.Join(mount, version), filepath.Join(mount, "current"))
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			testserver.Goroutines(t)
			mount, ca := t.TempDir(), testcert.NewCA(t, "ca")
			deploy := func(version string) *testcert.Pair {
				must(t, os.Mkdir(filepath.Join(mount, version), 0o700))
				pair := ca.Server(t, "a.test")
				pair.Write(t, filepath.Join(mount, version), "a")
				row.swap(t, mount, version)
				return pair
			}
			deploy("..v1")
			if row.name == "secret" {
				for _, f := range []string{"a.pem", "a.key"} {
					must(t, os.Symlink(filepath.Join("..data", f), filepath.Join(mount, f)))
				}
			}
			set, log := newSet(t, Options{})
			dir := row.path(mount)
			s := &site{set: set, ca: ca, server: prepare(t, set, listenerDoc(config.ListenerTLS{
				Certificates: []config.Certificate{certificate(filepath.Join(dir, "a.pem"),
					filepath.Join(dir, "a.key"))},
			})).Server("web")}
			for _, version := range []string{"..v2", "..v3"} {
				s.serves(t, deploy(version))
			}
			if log.count("broken") != 0 {
				t.Error("a swap in one step was seen half done")
			}
		})
	}
}

func TestRotationLosesNoHandshake(t *testing.T) {
	s := newSite(t)
	stop, done := make(chan struct{}), make(chan struct{})
	seen := map[string]bool{}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			m := meet(t, s.server.ServerConfig(), browser(s.ca, "a.test"))
			if m.serverErr != nil || m.clientErr != nil {
				t.Errorf("handshake during a rotation: server %v, client %v", m.serverErr, m.clientErr)
				return
			}
			seen[m.shown()] = true
		}
	}()
	want := map[string]bool{}
	for range 5 {
		pair := s.ca.Server(t, "a.test")
		pair.Write(t, s.dir, "a")
		want[serial(pair.Cert)] = true
		s.serves(t, pair)
	}
	close(stop)
	<-done
	if len(seen) < 2 {
		t.Errorf("the loop saw %d certificates, want it to run across rotations", len(seen))
	}
	if len(want) != 5 {
		t.Errorf("%d certificates made, want 5", len(want))
	}
}

func TestBrokenPairKeepsTheOld(t *testing.T) {
	s := newSite(t)
	old := s.shown(t)
	other := s.ca.Server(t, "a.test")

	for _, row := range []struct {
		name  string
		spoil func()
		want  string
	}{
		{"mismatch", func() { testcert.Replace(t, s.cert, other.CertPEM) }, s.key + ": does not belong to " + s.cert},
		{"garbage", func() { testcert.Replace(t, s.cert, []byte("garbage")) }, s.cert +
			": holds no certificate (no PEM at all)"},
		{"cut off", func() { testcert.Replace(t, s.cert, other.CertPEM[:100]) }, s.cert +
			": PEM block 1 is broken or cut off"},
		{"missing", func() { must(t, os.Remove(s.cert)) }, s.cert + ": no such file or directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.spoil()
			eventually(t, "the status tells", func() bool { return s.status(t, s.cert).Error == row.want })
			st := s.status(t, s.cert)
			if s.shown(t) != old {
				t.Error("something else than the old certificate is shown")
			}
			if len(st.Subjects) == 0 || st.Subjects[0] != "a.test" || st.Since.IsZero() {
				t.Errorf("status = %+v, want what still serves", st)
			}
			s.set.Reload()
			s.set.Reload()
			if n := s.log.count("reason=" + `"` + row.want + `"`); n != 1 {
				t.Errorf("logged %d times, want once:\n%s", n, s.log.String())
			}
		})
	}

	other.Write(t, s.dir, "a")
	s.serves(t, other)
	if st := s.status(t, s.cert); st.Error != "" {
		t.Errorf("status of a whole pair = %+v", st)
	}
	testcert.Replace(t, s.key, []byte("garbage"))
	eventually(t, "broken once more", func() bool { return s.status(t, s.cert).Error != "" })
	testcert.Replace(t, s.key, other.KeyPEM)
	eventually(t, "mended by what was there before", func() bool { return s.status(t, s.cert).Error == "" })
	if s.log.count("whole again") == 0 {
		t.Error("the log does not say that the pair is whole again")
	}
}

// TestOneBrokenOfTwo shows that a pair is renewed although its neighbour is broken.
func TestOneBrokenOfTwo(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	a, b := certificate(ca.Server(t, "a.test").Write(t, dir, "a")),
		certificate(ca.Server(t, "b.test").Write(t, dir, "b"))
	set, _ := newSet(t, Options{Unwatched: true})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{Certificates: []config.Certificate{a, b}})).Server("web")
	testcert.Replace(t, b.CertFile, nil)
	renewed := ca.Server(t, "a.test")
	renewed.Write(t, dir, "a")
	set.Reload()
	if m := meet(t, server.ServerConfig(), browser(ca, "a.test")).mustWork(t); m.shown() != serial(renewed.Cert) {
		t.Error("the whole pair was not renewed")
	}
	meet(t, server.ServerConfig(), browser(ca, "b.test")).mustWork(t)
}

func TestClientRootsRotate(t *testing.T) {
	testserver.Goroutines(t)
	ca, next, dir := testcert.NewCA(t, "ca"), testcert.NewCA(t, "next"), t.TempDir()
	caFile := ca.Write(t, dir, "clients")
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
		ClientCAFile: caFile,
	})).Server("web")
	try := func(pair *testcert.Pair) bool {
		client := browser(ca, "a.test")
		client.Certificates = []tls.Certificate{pair.TLS(t)}
		m := meet(t, server.ServerConfig(), client)
		return m.serverErr == nil && m.clientErr == nil
	}
	before, after := ca.SPIFFE(t, "spiffe://test/a"), next.SPIFFE(t, "spiffe://test/b")
	if !try(before) || try(after) {
		t.Fatal("the first roots are not what decides")
	}
	testcert.Replace(t, caFile, append(ca.PEM(), next.PEM()...))
	eventually(t, "both authorities are good", func() bool { return try(after) })
	if !try(before) {
		t.Error("the old authority is not good although it is still in the file")
	}
	testcert.Replace(t, caFile, next.PEM())
	eventually(t, "the old authority is gone", func() bool { return !try(before) })
	if !try(after) {
		t.Error("the new authority is not good")
	}
}

func TestDirectoryThatComesLater(t *testing.T) {
	s := newSite(t)
	must(t, os.RemoveAll(s.dir))
	eventually(t, "missing files are told", func() bool {
		return strings.HasSuffix(s.status(t, s.cert).Error, "no such file or directory")
	})
	must(t, os.Mkdir(s.dir, 0o700))
	pair := s.ca.Server(t, "a.test")
	pair.Write(t, s.dir, "a")
	s.serves(t, pair)
}

// TestChangeBeforeTheWatch changes a file after it was read and before its
// directory is watched, when nobody tells.
func TestChangeBeforeTheWatch(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{Unwatched: true})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	renewed := ca.Server(t, "a.test")
	renewed.Write(t, dir, "a")
	set.mu.Lock()
	set.watcher = filewatch.New(set.Reload, set.log)
	set.follow()
	set.mu.Unlock()
	eventually(t, "the change is seen", func() bool {
		return meet(t, server.ServerConfig(), browser(ca, "a.test")).mustWork(t).shown() == serial(renewed.Cert)
	})
}

func TestRetiredFilesAreNotWatched(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	other := s.ca.Server(t, "a.test")
	next := prepare(t, s.set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(other.Write(t, dir, "b"))},
	}))
	again := prepare(t, s.set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(filepath.Join(dir, "b.pem"), filepath.Join(dir, "b.key"))},
	}))
	if next.Server("web") != again.Server("web") {
		t.Error("the same settings gave two servers")
	}
	watches := func() string {
		s.set.mu.Lock()
		defer s.set.mu.Unlock()
		return strings.Join(s.set.files(), " ")
	}
	if !strings.Contains(watches(), s.dir) || !strings.Contains(watches(), dir) {
		t.Errorf("watched: %s", watches())
	}
	s.prepared.Close()
	s.prepared.Close() // the second does nothing
	next.Close()
	if strings.Contains(watches(), s.dir) || !strings.Contains(watches(), dir) {
		t.Errorf("watched after the first revision is gone: %s", watches())
	}
	again.Close()
	_, servers, _ := s.set.held()
	if got := watches(); got != "" || len(s.set.Status()) != 0 || servers != 0 {
		t.Errorf("left behind: watches %q, status %v", got, s.set.Status())
	}
	s.shown(t) // a connection that was accepted before still finds its certificate
	set := s.set
	set.Close()
	if _, err := set.Prepare(listenerDoc(config.ListenerTLS{})); err == nil {
		t.Error("a closed set prepares")
	}
}

// TestManyAtWork lets everything happen at once, for the race detector.
func TestManyAtWork(t *testing.T) {
	s := newSite(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 20 {
				p, err := s.set.Prepare(listenerDoc(config.ListenerTLS{
					Certificates: []config.Certificate{certificate(s.cert, s.key)}, MinVersion: "1.3",
				}))
				if err != nil {
					t.Error(err)
					return
				}
				s.set.Status()
				s.set.Certificates()
				s.set.Reload()
				p.Close()
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			s.ca.Server(t, "a.test").Write(t, s.dir, "a")
			s.shown(t)
		}
	})
	wg.Wait()
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
}

// relink makes link lead to target in one step.
func relink(t *testing.T, target, link string) {
	t.Helper()
	must(t, os.Symlink(target, link+".new"))
	must(t, os.Rename(link+".new", link))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
