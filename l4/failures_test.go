package l4_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Connections that fail are kept with what became of each endpoint; those that end in order are not.
func TestFailedConnectionsAreKept(t *testing.T) {
	dead, live := testserver.Addr(t), backend(t, echo)
	g := start(t, to([]string{dead}, ""))
	if c, err := net.Dial("tcp", g.addr("in")); err == nil { // the reset may come before Dial is done
		c.Close()
	}
	f := g.lastFailure(1)
	if f.Flag != "UF" || f.Reason != "connect: connection refused" || f.Cluster != "out" || f.Listener != "in" ||
		f.RemoteIP != "127.0.0.1" || attempts(&f) != dead+" UF connect: connection refused" {
		t.Errorf("kept %+v", f)
	}

	g.apply(to([]string{live}, ""))
	c := g.dial("in")
	_, _ = io.WriteString(c, "hello")
	c.CloseWrite()
	if text, err := io.ReadAll(c); string(text) != "hello" {
		t.Fatalf("echoed %q, %v", text, err)
	}

	g.apply(to([]string{live}, "") + "timeouts: {tcp_idle: 50ms}\n")
	if _, err := g.dial("in").Read(make([]byte, 1)); err == nil {
		t.Fatal("an idle connection was kept")
	}
	if f = g.lastFailure(2); f.Flag != "SI" || attempts(&f) != live+" SI " {
		t.Errorf("kept %+v", f)
	}
}

// lastFailure waits until n were kept, and gives the newest.
func (g *gateway) lastFailure(n int) telemetry.Failure {
	g.t.Helper()
	var all []telemetry.Failure
	testserver.WaitFor(g.t, patience, "failures to be kept", func() bool {
		all, _ = g.Registry.Failures.Last(100)
		return len(all) >= n
	})
	if len(all) > n {
		g.t.Errorf("kept %+v, want %d", all, n)
	}
	return all[0]
}

func attempts(f *telemetry.Failure) string {
	var all []string
	for _, a := range f.Attempts {
		all = append(all, fmt.Sprintf("%s %s %s", a.Upstream, a.Flag, a.Reason))
	}
	return strings.Join(all, "; ")
}
