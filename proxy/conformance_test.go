package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// TestH2spec runs the public conformance tests of HTTP/2, strict ones included, against listeners of the gateway with
// an HTTP/1.1 app behind them.
func TestH2spec(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	bin := filepath.Join(t.TempDir(), "h2spec")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("..", "tools", "h2spec")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		// an answer before the end of the request would be right, and hide what is tested
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	cert, key := testcert.NewCA(t, "h2spec").Server(t, "localhost").Write(t, t.TempDir(), "server")
	for _, tt := range []struct{ name, listener string }{
		{"h2c", `{name: web, address: "127.0.0.1:0", protocol: http}`},
		{"tls",
			fmt.Sprintf(`{name: web, address: "127.0.0.1:0", protocol: http, tls: {certificates: [{cert_file: %s, `+
				`key_file: %s}]}}`, cert, key)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, "listeners: ["+tt.listener+"]\n"+to(app))
			host, port, err := net.SplitHostPort(g.addr)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{host, port}
			if tt.name == "tls" {
				args = append([]string{"-tls"}, args...)
			}
			out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
			if said := string(out); err != nil || !strings.Contains(said, " 0 failed") ||
				strings.Contains(said, " 0 passed") {
				t.Fatalf("h2spec: %v\n%s", err, said[max(0, strings.LastIndex(said, "Failures:")):])
			}
		})
	}
}
