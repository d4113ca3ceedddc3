package sidecar_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A file document as Kubernetes has it: the mounted folder's symlink is swapped.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "gateway.yaml"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", one(app(t, "first")))
	path := filepath.Join(dir, "gateway.yaml")
	if err := os.Symlink("..data/gateway.yaml", path); err != nil {
		t.Fatal(err)
	}
	g := serve(t, env{"GATEWAY_CONFIG": path})
	g.now("/", http.StatusOK, "first")
	requests := g.load("/")
	version("..2", one(app(t, "second")))
	g.answers("/", http.StatusOK, "second")
	if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
		t.Fatal(err)
	}
	version("..3", "routes: [{name: all, cluster: nobody}]")
	g.rejection()
	g.now("/", http.StatusOK, "second")
	version("..4", one(app(t, "fourth")))
	g.answers("/", http.StatusOK, "fourth")
	requests.none(t)
}

// SIGHUP reads the document anew: one that could not be applied is tried again at once.
func TestHangupReadsTheSource(t *testing.T) {
	t.Parallel()
	taken := testserver.ListenAt(t, testserver.Addr(t))
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, one(app(t, "first")))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	more := "listeners: [{name: more, address: \"" + taken.Addr().String() + "\"}]\n" + one(app(t, "second"))
	write(t, path, more)
	if why := g.rejection(); len(why) != 1 || !strings.Contains(why[0], "address already in use") {
		t.Errorf("rejected for %q, want the address", why)
	}
	g.now("/", http.StatusOK, "first")
	_ = testserver.Release(taken)
	g.signal(syscall.SIGHUP)
	g.answers("/", http.StatusOK, "second")
	if code, body, err := fetch("http://" + taken.Addr().String()); err != nil || code != http.StatusOK ||
		body != "second" {
		t.Errorf("the new listener: %d %q %v", code, body, err)
	}
}

// SIGHUP opens the access log anew, for who rotates it.
func TestHangupReopensTheLog(t *testing.T) {
	t.Parallel()
	g := serve(t, env{"GATEWAY_APP": app(t, "app"), "GATEWAY_ACCESS_LOG": "access.log"})
	holds := func(name, path string) func() bool {
		return func() bool {
			text, err := os.ReadFile(filepath.Join(g.dir, name))
			return err == nil && strings.Contains(string(text), path) && strings.HasSuffix(string(text), "\n")
		}
	}
	g.now("/before", http.StatusOK, "app")
	testserver.WaitFor(t, longestWait, "the line in the log", holds("access.log", `"/before"`))
	if err := os.Rename(filepath.Join(g.dir, "access.log"), filepath.Join(g.dir, "access.log.1")); err != nil {
		t.Fatal(err)
	}
	g.signal(syscall.SIGHUP)
	testserver.WaitFor(t, longestWait, "the log to be opened anew", func() bool {
		_, err := os.Stat(filepath.Join(g.dir, "access.log"))
		return err == nil
	})
	g.now("/after", http.StatusOK, "app")
	testserver.WaitFor(t, longestWait, "the line in the new log", holds("access.log", `"/after"`))
	if holds("access.log.1", `"/after"`)() {
		t.Error("a line after SIGHUP is in the old log")
	}
}

// For measurements: nothing changes by itself. SIGHUP still reads certificates.
func TestBenchmarkMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := testcert.NewCA(t, "root")
	certificate := func(name string) (cert, key string) {
		return ca.Server(t, name, "gateway.test").Write(t, dir,
			"web")
	}
	cert, key := certificate("first.test")
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, one(app(t, "first")))
	secure := testserver.Addr(t)
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_BENCHMARK": "true", "GATEWAY_LISTEN": secure,
		"GATEWAY_TLS_CERTS": cert + ":" + key})
	shown := func() (name, body string) {
		trusting := &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), ServerName: "gateway.test"},
		}}
		resp, err := trusting.Get("https://" + secure)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var text [16]byte
		n, _ := resp.Body.Read(text[:]) // the end may come with the last bytes
		return resp.TLS.PeerCertificates[0].DNSNames[0], string(text[:n])
	}
	if name, body := shown(); name != "first.test" || body != "first" {
		t.Errorf("%s with %s, want first with first", body, name)
	}
	write(t, path, one(app(t, "second")))
	certificate("second.test")
	g.signal(syscall.SIGHUP)
	testserver.WaitFor(t, longestWait, "the new certificate",
		func() bool { name, _ := shown(); return name == "second.test" })
	if _, body := shown(); body != "first" {
		t.Errorf("%s serves, want no hot reload", body)
	}
}
