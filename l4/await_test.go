package l4_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// unknown is a document with the listener "in" and the cluster "out", of which the catalog has said nothing yet.
// connect is timeouts.connect, more are more keys of the cluster.
func unknown(connect, more string) string {
	return "listeners: [{name: in, address: '127.0.0.1:0', protocol: tcp, cluster: out}]\n" +
		"clusters: [{name: out, protocol: tcp, consul: {service: out}" + more + "}]\n" +
		"timeouts: {connect: " + connect + "}\n"
}

// A connection to a cluster of which nothing is known waits for the endpoints; what the client has sent goes with it.
func TestConnectionsWaitForEndpoints(t *testing.T) {
	g := start(t, unknown("60s", ""))
	c, half := g.dial("in"), g.dial("in")
	send(t, c, "early")
	send(t, half, "all")
	half.CloseWrite()
	g.Awaits("out", 2)
	g.apply(unknown("60s", ", passive_health: {consecutive_failures: 7}"))
	g.Says("out", backend(t, echo))
	expect(t, c, "early")
	expect(t, half, "all")
	expectEnd(t, half)
	c.CloseWrite()
	expectEnd(t, c)
	for _, l := range g.lines(2) {
		if l.Flag != "" || l.Attempts != 1 {
			t.Errorf("logged %+v", l)
		}
	}
	g.Awaits("out", 0)
}

// What ends the wait but an endpoint.
func TestConnectionsWaitInBounds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		connect string
		then    func(g *gateway, c *net.TCPConn)
		flag    telemetry.Flag
		atLeast time.Duration
	}{
		{"the time for connecting", "300ms", nil, telemetry.UH, 300 * time.Millisecond},
		{"there is none", "60s", func(g *gateway, c *net.TCPConn) { g.Says("out") }, telemetry.UH, 0},
		{"the client is gone", "60s", func(g *gateway, c *net.TCPConn) { reset(c) }, telemetry.DC, 0},
		{"the end of the drain", "60s", func(g *gateway, c *net.TCPConn) {
			g.Drain(time.Millisecond)
		}, telemetry.LR, 0},
		{"a revision without the cluster", "60s", func(g *gateway, c *net.TCPConn) {
			g.apply(strings.ReplaceAll(unknown("60s", ""), ": out", ": other"))
		}, telemetry.UH, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testserver.Goroutines(t)
			g := start(t, unknown(tt.connect, ""))
			begun := time.Now()
			c := g.dial("in")
			g.Awaits("out", 1)
			out := g.Clusters["out"]
			if tt.then != nil {
				tt.then(g, c)
			}
			if l := g.wantFlag(tt.flag); l.Attempts != 0 || l.Cluster != "out" {
				t.Errorf("logged %+v", l)
			}
			if took := time.Since(begun); took < tt.atLeast || took > patience/2 {
				t.Errorf("ended after %v", took)
			}
			if n := out.Status().Awaiting; n != 0 {
				t.Errorf("%d connections wait", n)
			}
		})
	}
}

// Where another cluster stands in, whichever is known first takes the connection.
func TestConnectionsWaitForWhatStandsIn(t *testing.T) {
	g := start(t, strings.Replace(unknown("60s", ", failover: [spare]"), "}]\ntimeouts",
		"}, {name: spare, protocol: tcp, consul: {service: spare}}]\ntimeouts", 1))
	c := g.dial("in")
	g.Awaits("out", 1)
	g.Says("out")
	g.Awaits("out", 1)
	g.Says("spare", backend(t, banner("spare")))
	expect(t, c, "spare")
	c.Close()
	if l := g.lines(1)[0]; l.Cluster != "spare" {
		t.Errorf("logged %+v", l)
	}
}
