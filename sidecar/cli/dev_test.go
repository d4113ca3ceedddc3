package cli

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func devBase(t *testing.T) config.Base {
	t.Helper()
	b, err := sidecar.Load(sidecar.Sources{Flags: map[string]string{"GATEWAY_APP": "127.0.0.1:3000"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Base()
}

func TestDevDocument(t *testing.T) {
	d, err := config.Decode(devDocument, devBase(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Routes) != 2 || d.Routes[0].Name != "hello" {
		t.Errorf("routes %+v, want hello and the app's", d.Routes)
	}
}

// What is commented out is an example: it is good, too, once the # is gone.
func TestDevDocumentExamples(t *testing.T) {
	example := regexp.MustCompile(`(?m)^#( {2,}|[a-z]|$)`)
	d, err := config.Decode(example.ReplaceAll(devDocument, []byte("$1")), devBase(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Routes) != 3 || len(d.Clusters) != 2 {
		t.Errorf("%d routes, %d clusters, want those of the examples too", len(d.Routes), len(d.Clusters))
	}
}

func TestDev(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.yaml")
	f := &fake{}
	p, stop, _ := f.process("CONSUL_HTTP_ADDR=127.0.0.1:8500", "GATEWAY_ADMIN_LISTEN=127.0.0.1:1")
	answer := ""
	f.running = func() {
		defer stop()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.boot.App+"/x?y", nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer = fetch(t, r)
	}
	got := do(t, p, "dev", "--config", path)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("dev: %+v, want code 0", got)
	}
	if !strings.Contains(answer, "GET /x?y HTTP/1.1\n") {
		t.Errorf("the demo app answered %q, want the request", answer)
	}
	b := f.boot
	if b.Source != sidecar.SourceFile || b.Config != path || b.DrainDelay != 0 || b.LogFormat != "text" ||
		!strings.HasPrefix(b.Listen, "127.0.0.1:80") {
		t.Errorf("bootstrap %+v, want dev's", b)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != string(devDocument) {
		t.Errorf("document %q, %v, want dev's", text, err)
	}
	for _, want := range []string{
		"The gateway is in front of the demo app (" + b.App + ").",
		"Try     curl http://" + b.Listen + "/\n",
		"Edit    " + path + " (live when saved, written just now)\n",
		"Look    http://127.0.0.1:1/\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("dev says nothing of %q:\n%s", want, got.stdout)
		}
	}
	if _, err := net.Dial("tcp", b.App); err == nil {
		t.Error("the demo app outlives dev")
	}
}

func TestDevLeavesWhatIsThere(t *testing.T) {
	path := file(t, goodDocument)
	f := &fake{}
	p, stop, _ := f.process()
	f.running = stop
	got := do(t, p, "dev", "--config", path, "--app", "127.0.0.1:3000", "--listen", "127.0.0.1:2", "--admin-listen", "",
		"--tls-certs", "a:b")
	if got.code != 0 || f.boot.App != "127.0.0.1:3000" {
		t.Fatalf("dev: %+v, app %q; want code 0, 127.0.0.1:3000", got, f.boot.App)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != goodDocument {
		t.Errorf("the document became %q, %v", text, err)
	}
	for _, want := range []string{"your app (127.0.0.1:3000)", "curl -k https://127.0.0.1:2/", "(live when saved)"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("dev says nothing of %q:\n%s", want, got.stdout)
		}
	}
	if strings.Contains(got.stdout, "Look") {
		t.Errorf("dev shows an admin port that is off:\n%s", got.stdout)
	}
}

func TestDevUsesTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	f := &fake{}
	p, stop, _ := f.process()
	f.running = stop
	if got := do(t, p, "dev"); got.code != 0 {
		t.Fatalf("dev: %+v, want code 0", got)
	}
	if _, err := os.Stat("gateway.dev.yaml"); err != nil {
		t.Error(err)
	}
}

func TestDevTellsWhyItCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "my.yaml")
	got := do(t, Process{}, "dev", "--config", path)
	if got.code != 1 || got.stderr != "gateway: open "+path+": no such file or directory\n" {
		t.Errorf("dev: %+v, want code 1 and the path", got)
	}
}

func TestFreeAddress(t *testing.T) {
	taken := testserver.Addr(t)
	l := testserver.ListenAt(t, taken)
	got, err := freeAddress(taken)
	if err != nil || got == taken || !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("freeAddress(%s) = %q, %v while it is taken, want another", taken, got, err)
	}
	_ = testserver.Release(l)
	if got, err := freeAddress(taken); err != nil || got != taken {
		t.Errorf("freeAddress(%s) = %q, %v when it is free", taken, got, err)
	}
	if _, err := freeAddress("192.0.2.1:80"); err == nil {
		t.Error("freeAddress of an address that is not ours is fine, want why not")
	}
}

// fetch does one request and gives the body.
func fetch(t *testing.T, r *http.Request) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
