package proxy_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: " +
		"websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " +
		"WebSocket\r\nSec-WebSocket-Accept: s\r\n\r\n"
	answered = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s\r\nConnection: Upgrade\r\nUpgrade: " +
		"WebSocket\r\n\r\n"
)

// tunnel makes an upgraded connection. What is early is sent by each side along with its head.
func tunnel(t *testing.T, document func(addr string) string, earlyDown, earlyUp string) (g *gateway, c, up *wire) {
	t.Helper()
	e := listen(t)
	g = start(t, document(e.addr))
	c = g.dial()
	c.send(upgrade + earlyDown)
	up = e.accept()
	if h := up.head(); field(h, "Upgrade") != "websocket" || field(h, "Connection") != "Upgrade" ||
		field(h, "Sec-WebSocket-Key") != "k" {
		t.Fatalf("head upstream = %q", h)
	}
	up.send(switched + earlyUp)
	c.expect(answered)
	return g, c, up
}

func TestUpgradeCarriesBytesBothWays(t *testing.T) {
	_, c, up := tunnel(t, to, "", "")
	for range 3 {
		c.send("ping")
		up.expect("ping")
		up.send("pong")
		c.expect("pong")
	}
	const size = 3_000_000
	go func() { c.send(strings.Repeat("x", size)) }()
	up.expect(strings.Repeat("x", size))
}

func TestUpgradeLosesNoEarlyBytes(t *testing.T) {
	_, c, up := tunnel(t, to, "early from the client", "early from the endpoint")
	up.expect("early from the client")
	c.expect("early from the endpoint")
	c.send("later")
	up.expect("later")
}

func TestUpgradePassesHalfClosesOn(t *testing.T) {
	t.Run("of the client", func(t *testing.T) {
		_, c, up := tunnel(t, to, "", "")
		c.send("last words")
		c.finish()
		if got := up.rest(); got != "last words" {
			t.Errorf("endpoint read %q", got)
		}
		up.send("still here")
		up.finish()
		if got := c.rest(); got != "still here" {
			t.Errorf("client read %q", got)
		}
	})
	t.Run("of the endpoint", func(t *testing.T) {
		_, c, up := tunnel(t, to, "", "")
		up.send("last words")
		up.finish()
		if got := c.rest(); got != "last words" {
			t.Errorf("client read %q", got)
		}
		c.send("still here")
		c.finish()
		if got := up.rest(); got != "still here" {
			t.Errorf("endpoint read %q", got)
		}
	})
}

func TestUpgradePassesResetsOn(t *testing.T) {
	t.Run("of the client", func(t *testing.T) {
		_, c, up := tunnel(t, to, "", "")
		c.reset()
		up.broken()
	})
	t.Run("of the endpoint", func(t *testing.T) {
		_, c, up := tunnel(t, to, "", "")
		up.reset()
		c.broken()
	})
}

// Neither the timeouts of HTTP nor those of the route apply to a tunnel, only tcp_idle does, and that only when
// nothing moves either way.
func TestUpgradedConnectionHasItsOwnTimeout(t *testing.T) {
	document := func(addr string) string {
		return "timeouts: {read: 300ms, upstream: 300ms, idle: 300ms, write: 300ms, tcp_idle: 800ms}\n" +
			routed(addr, "timeouts: {request: 400ms, response_idle: 300ms}")
	}
	_, c, up := tunnel(t, document, "", "")
	begun := time.Now()
	quiet := begun
	for time.Since(begun) < time.Second { // longer than any of them; only one direction is alive
		up.silent()
		quiet = time.Now()
		c.send("x")
		up.expect("x")
	}
	c.broken()
	if d := time.Since(quiet); d < 700*time.Millisecond {
		t.Errorf("cut after %v of silence, want 800ms", d)
	}
	up.broken()
}

// A tunnel's end may be slow to read: write, which is for answers, does not apply.
func TestUpgradedConnectionMayStall(t *testing.T) {
	_, c, up := tunnel(t, func(addr string) string { return timeouts("write") + to(addr) }, "", "")
	const size = 100_000_000 // more than the kernel holds
	for _, pair := range [][2]*wire{{c, up}, {up, c}} {
		from, to := pair[0], pair[1]
		sent := make(chan error, 1)
		go func() {
			_, err := from.Write(make([]byte, size))
			sent <- err
		}()
		pass(4 * short)
		if n, err := io.CopyN(io.Discard, to.r, size); err != nil {
			t.Fatalf("%d bytes came: %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

func TestUpgradeAnsweredOtherwise(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(upgrade)
	up := e.accept()
	up.head()
	up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nUpgrade: websocket\r\n\r\nno")
	res, body := c.response("GET")
	if res.StatusCode != 200 || body != "no" || res.Header.Get("Upgrade") != "" {
		t.Errorf("answer = %d %q %v", res.StatusCode, body, res.Header)
	}
	c.send(get("/next"))
	if h := up.head(); strings.Contains(h, "pgrade") {
		t.Errorf("next head = %q", h)
	}
	up.send(ok(""))
	c.status(200)
}

// An upgrade that may not pass is taken out of the request, which goes on without it.
func TestUpgradeThatIsNotAllowedIsStripped(t *testing.T) {
	for _, tt := range []struct {
		name, options, fields string
		passes                string // Upgrade, as it goes upstream
	}{
		{"another protocol", "", "Connection: Upgrade\r\nUpgrade: foo\r\n", ""},
		{"h2c", "", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", ""},
		{"a choice with another protocol in it", "", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", ""},
		{"Upgrade without Connection", "", "Upgrade: websocket\r\n", ""},
		{"websocket on a route without upgrades", "upgrades: []", "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""},
		{"websocket on a route with other upgrades", "upgrades: [foo]", "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			""},
		{"a protocol that the route names", "upgrades: [foo, spdy/3.1]", "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
			"SPDY/3.1"},
		{"websocket with a body", "", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, routed(e.addr, tt.options))
			c := g.dial()
			c.send("GET / HTTP/1.1\r\nHost: a\r\n" + tt.fields + "\r\n" + "x")
			up := e.accept()
			h := up.head()
			if got := field(h, "Upgrade"); got != tt.passes ||
				(field(h, "Connection") == "Upgrade") != (tt.passes != "") || strings.Contains(h, "HTTP2-Settings") {
				t.Errorf("head upstream = %q, want Upgrade %q", h, tt.passes)
			}
			up.send(ok("fine"))
			c.status(200)
		})
	}
}

func TestUnexpectedSwitchIsMalformed(t *testing.T) {
	for _, tt := range []struct{ name, request, answer string }{
		{"nobody asked", get("/"), switched},
		{"another protocol than asked for", upgrade, strings.ReplaceAll(switched, "WebSocket", "foo")},
		{"no protocol named", upgrade, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"},
		{"Connection does not name it", upgrade, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(tt.request)
			up := e.accept()
			up.head()
			up.send(tt.answer)
			c.status(502)
			if n := g.faults(telemetry.UPE); n != 1 {
				t.Errorf("faults UPE = %d, want 1", n)
			}
			up.ended()
		})
	}
}
