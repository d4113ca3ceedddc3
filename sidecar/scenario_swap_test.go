package sidecar_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A hundred documents follow one another under full load, first from a file, then
// from Consul, and not one request fails. Each changes what a swap can: weights,
// clusters and listeners that come and go, routes, timeouts.
func TestSwapsUnderLoad(t *testing.T) {
	nginx := testserver.Nginx(t, `location / { return 200 "hello\n"; }`)
	extra := testserver.Addr(t)
	document := func(n int) string {
		text := fmt.Sprintf(`
routes:
  - {name: all, clusters: [{name: fixed, weight: %d}, {name: other-%d, weight: 1}]}
  - {name: n, match: {path_prefix: /n%d}, cluster: fixed, prefix_rewrite: /}
clusters:
  - {name: fixed, endpoints: [%q]}
  - {name: other-%d, endpoints: [%q]}
timeouts: {upstream: %ds}
`, n%3, n%5, n, nginx.Addr(), n%5, nginx.Addr(), 10+n)
		if n%2 == 1 {
			text += fmt.Sprintf("listeners: [{name: extra, address: %q}]\n", extra)
		}
		return text
	}
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		write(t, path, document(0))
		g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG": "off"})
		swapUnderLoad(t, g, 80, func(n int) { write(t, path, document(n)) })
	})
	t.Run("consul", func(t *testing.T) {
		consul := testserver.Consul(t)
		consul.KVPut("gateway/app/config", document(0))
		g := serve(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_ACCESS_LOG": "off"})
		swapUnderLoad(t, g, 20, func(n int) { consul.KVPut("gateway/app/config", document(n)) })
	})
}

// swapUnderLoad puts a number of documents, each when the one before it serves.
func swapUnderLoad(t *testing.T, g *gateway, swaps int, put func(n int)) {
	t.Helper()
	g.now("/", http.StatusOK, "hello\n")
	before := g.status().Revision.Applied
	wrk := startWrk(t, g.url)
	for n := 1; n <= swaps; n++ {
		put(n)
		g.wait("revision "+strconv.Itoa(n), func(s status) bool { return s.Revision.Applied == before+n })
	}
	requests, failed, report := wrk.stop()
	if failed > 0 || requests < 1000 {
		t.Errorf("%d of %d requests failed:\n%s", failed, requests, report)
	}
	if s := g.status(); s.Revision.Rejected != 0 {
		t.Errorf("%d revisions rejected", s.Revision.Rejected)
	}
	t.Logf("%d swaps, %d requests, %d failed", swaps, requests, failed)
}

// wrk is a load generator at full speed.
type wrk struct {
	t   testing.TB
	cmd *exec.Cmd
	out bytes.Buffer
}

func startWrk(t testing.TB, url string, args ...string) *wrk {
	t.Helper()
	// Ten minutes are only the bound; stop ends it.
	w := &wrk{t: t, cmd: exec.Command(testserver.Binary(t, "wrk"),
		append([]string{"-t1", "-c32", "-d10m", url}, args...)...)}
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	w.cmd.SysProcAttr = testserver.DieWithParent()
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.cmd.ProcessState == nil {
			_ = w.cmd.Process.Kill() // the test has failed before it came to stop
			_ = w.cmd.Wait()
		}
	})
	return w
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in `)
	wrkFailures = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), ` +
		`timeout (\d+)|Non-2xx or 3xx responses: (\d+)`)
)

// stop ends the load and reads what came of it.
func (w *wrk) stop() (requests, failed int, report string) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Fatalf("wrk: %v\n%s", err, w.out.Bytes())
	}
	report = w.out.String()
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			w.t.Fatalf("wrk: %v in\n%s", err, report)
		}
		return n
	}
	m := wrkRequests.FindStringSubmatch(report)
	if m == nil {
		w.t.Fatalf("wrk said\n%s", report)
	}
	for _, found := range wrkFailures.FindAllStringSubmatch(report, -1) {
		for _, text := range found[1:] {
			if text != "" {
				failed += number(text)
			}
		}
	}
	return number(m[1]), failed, report
}
