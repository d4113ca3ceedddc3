package http2

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// program is where a program is, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// TestCurl uses the client most people have.
func TestCurl(t *testing.T) {
	curl := program(t, "curl")
	testserver.Goroutines(t)
	base := "http://" + serveOn(t, echo{}, Options{MaxHeaderBytes: 32 << 10})
	body := filepath.Join(t.TempDir(), "body")
	sent := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	if err := os.WriteFile(body, sent, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want []byte
	}{
		{"get", nil, []byte("hello")},
		{"head", []string{"-I", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"}, []byte("200 2")},
		{"post", []string{"--data-binary", "@" + body}, sent},
		{"cookies", []string{"-b", "a=1; b=2"}, []byte("hello")},
		{"head too large", []string{"-H", "x: " + string(bytes.Repeat([]byte("y"), 40_000)), "-w", "%{http_code}"},
			[]byte("431")},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), curl,
				append([]string{"-sS", "--http2-prior-knowledge", base + "/"}, row.args...)...).Output()
			if err != nil || !bytes.Equal(out, row.want) {
				t.Errorf("%d bytes %.80q (%v), want %d", len(out), out, err, len(row.want))
			}
		})
	}
}

// TestH2load has a client of another family press hard, over plain sockets and over TLS.
func TestH2load(t *testing.T) {
	h2load := program(t, "h2load")
	testserver.Goroutines(t)
	server, _ := certificates(t)
	sw := newSweeper(t)
	secure := listen(t, func(nc net.Conn) {
		tc := tls.Server(netio.NewCork(nc), server)
		if tc.HandshakeContext(t.Context()) != nil {
			return
		}
		_ = NewServer(netio.New(tc, sw, 5*time.Second), &source{bytes: 30_000}, Options{}).Serve(nil)
	})
	g := &gateway{t: t, sw: sw, addr: serveOn(t, &source{bytes: 30_000}, Options{MaxStreams: 1000})}
	t.Cleanup(g.close)
	testserver.WaitFor(t, patience, "the SETTINGS of the backend",
		func() bool { return g.client().freePlaces() > minStreams })
	relayed := serveOn(t, g, Options{})
	for _, url := range []string{"https://" + secure, "http://" + relayed} {
		const n = 5000
		out, err := exec.CommandContext(t.Context(), h2load, "-n", strconv.Itoa(n), "-c", "10", "-m", "20",
			url).Output()
		if err != nil {
			t.Fatal(err)
		}
		done := regexp.MustCompile(`(\d+) succeeded, (\d+) failed, (\d+) errored`).FindSubmatch(out)
		if done == nil || string(done[1]) != strconv.Itoa(n) {
			t.Errorf("h2load %s:\n%s", url, out)
		}
	}
}
