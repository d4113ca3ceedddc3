package http2

import (
	"bytes"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestH2spec runs the public conformance tests, strict ones included, against a server that echoes.
func TestH2spec(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	bin := filepath.Join(t.TempDir(), "h2spec")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("..", "..", "tools", "h2spec")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	addr := serveOn(t, echo{}, Options{ReadTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		StallTimeout: 5 * time.Second})
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), bin, host, port).CombinedOutput()
	if err != nil {
		t.Fatalf("h2spec: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte(" 0 failed")) || bytes.Contains(out, []byte("0 passed")) {
		t.Fatalf("h2spec says no summary of passed tests:\n%s", out)
	}
	t.Logf("%s", out[max(0, len(out)-120):])
}
