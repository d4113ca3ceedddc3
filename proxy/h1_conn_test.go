package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// ofPath answers with the path and the body of the request.
func ofPath(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, r.URL.Path+string(b))
}

func TestConnectionPersists(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	c := g.dial()
	for _, path := range []string{"/a", "/b", "/c"} {
		c.send(get(path))
		if res, body := c.response("GET"); body != path || res.Close {
			t.Errorf("answer to %s = %q, close %v", path, body, res.Close)
		}
	}
}

func TestConnectionClosesWhenTheClientAsks(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	for _, tt := range []struct {
		name, request string
		close         bool
		field         string // Connection, of the answer
	}{
		{"1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, ""},
		{"1.1 close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true, "close"},
		{"1.1 close among others", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-y, ClOsE\r\n\r\n", true, "close"},
		{"1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", true, "close"},
		{"1.0 without a host", "GET / HTTP/1.0\r\n\r\n", true, "close"},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", false, "keep-alive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := g.dial()
			c.t = t
			c.send(tt.request)
			head := c.head()
			c.expect("/")
			if got := field(head, "Connection"); got != tt.field {
				t.Errorf("Connection: %q, want %q", got, tt.field)
			}
			if tt.close {
				c.ended()
				return
			}
			c.send(get("/again"))
			c.status(200)
		})
	}
}

// field is the value of a field of a raw head, "" without one.
func field(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	post := "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	chunked := "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	c := g.dial()
	c.send(get("/a") + post + chunked + "\r\n" + get("/d"))
	for _, want := range []string{"/a", "/bhello", "/cabc", "/d"} {
		if _, body := c.response("GET"); body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

// A request that we answer ourselves does not disturb those around it, as long as its end is known.
func TestPipelineGoesOnBehindARefusedRequest(t *testing.T) {
	app := backend(t, ofPath)
	g := start(t, "routes:\n- {name: a, match: {path_prefix: /a}, cluster: app}\nclusters:\n- {name: app, "+
		"endpoints: [\""+app+"\"]}\n")
	unknown := "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	if got := statuses(t, g.talk(get("/a/1")+unknown+get("/nowhere")+get("/a/2"))); !slices.Equal(got,
		[]int{200, 404, 404, 200}) {
		t.Errorf("statuses = %v, want [200 404 404 200]", got)
	}
}

// A request that nobody can tell the end of is the last one.
func TestPipelineEndsBehindAMalformedRequest(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/a") + "GET /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n" + get("/c"))
	up := e.accept()
	up.head()
	up.send(ok("a"))
	c.status(200)
	if res := c.status(400); !res.Close {
		t.Error("the answer to the malformed request does not say Connection: close")
	}
	c.ended()
	up.silent()
	e.unused()
	if n := g.faults(telemetry.DPE); n != 1 {
		t.Errorf("faults DPE = %d, want 1", n)
	}
}

// The rest of a request that is refused before it was read must not be taken for another request.
func TestUnreadBodyEndsTheConnection(t *testing.T) {
	g := start(t, "limits: {max_body: 10}\n"+to(backend(t, ofPath)))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + get("/smuggled"))
	if res := c.status(413); !res.Close {
		t.Error("the answer does not say Connection: close")
	}
	c.finish()
	c.ended()
}

// What a client still sends when it has been refused is read for a while: a reset could overtake the answer.
func TestAnswerReachesAClientThatGoesOnSending(t *testing.T) {
	g := start(t, "limits: {max_body: 10}\n"+to(backend(t, ofPath)))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 800_000))
	c.status(413)
	c.finish()
	c.ended()
}

// A client that says close sends nothing more, so its connection is closed at once. One that does send more gets its
// response too: no reset overtakes it.
func TestCloseAskedForByTheClient(t *testing.T) {
	for name, more := range map[string]string{"nothing more": "", "more": get("/ignored")} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			up := e.accept()
			up.head()
			c.send(more) // it lies in the socket when the response comes
			up.send(ok("a"))
			if res := c.status(200); !res.Close {
				t.Error("the answer does not say Connection: close")
			}
			c.finish()
			if rest := c.rest(); rest != "" {
				t.Errorf("behind the answer came %q", rest)
			}
			testserver.WaitFor(t, patience, "the connection to be given back",
				func() bool { _, n, _ := g.server.Listener("web"); return n == 0 })
		})
	}
}

func TestEmptyLineBetweenRequestsIsSkipped(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	if got := statuses(t, g.talk("\r\n"+get("/")+"\r\n"+get("/")+"\r\n")); !slices.Equal(got, []int{200, 200}) {
		t.Errorf("statuses = %v, want [200 200]", got)
	}
}

func TestHeadMayComeByteByByte(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	c := g.dial()
	for _, b := range []byte(get("/slowly")) {
		c.send(string(b))
	}
	if _, body := c.response("GET"); body != "/slowly" {
		t.Errorf("body = %q", body)
	}
}

func TestFirstVersionGetsNoChunks(t *testing.T) {
	up := replies(t, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "+
		"chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n")
	g := start(t, to(up))
	for name, request := range map[string]string{
		"plain":      "GET / HTTP/1.0\r\n\r\n",
		"keep-alive": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := g.dial()
			c.t = t
			c.send(request)
			head := c.head()
			if strings.Contains(head, "103") || field(head, "Transfer-Encoding") != "" ||
				field(head, "Connection") != "close" {
				t.Errorf("head = %q", head)
			}
			if body := c.rest(); body != "abc" {
				t.Errorf("body = %q, want abc until the connection closes", body)
			}
		})
	}
}

func TestMethodsAndTargets(t *testing.T) {
	g := start(t, to(echo(t)))
	for _, tt := range []struct {
		name, request, line string
	}{
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1"},
		{"absolute-form", "GET http://A.example:80/x?y HTTP/1.1\r\nHost: A.example:80\r\n\r\n", "GET /x?y HTTP/1.1"},
		{"absolute-form without a path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1"},
		{"absolute-form with a query only", "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1"},
		{"absolute-form OPTIONS without a path", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1"},
		{"a method of its own", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "BREW /pot HTTP/1.1"},
		{"a method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "get / HTTP/1.1"},
		{"1.0 goes on as 1.1", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1"},
		{"an empty query", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /? HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, head := g.ask(tt.request)
			if line, _, _ := strings.Cut(head, "\r\n"); line != tt.line {
				t.Errorf("went upstream as %q, want %q", line, tt.line)
			}
		})
	}
}

func TestConnectIsRefused(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n" + get("/in-the-tunnel"))
	res, _ := c.response("CONNECT")
	if res.StatusCode != 405 || !res.Close || g.faults(telemetry.DPE) != 1 {
		t.Errorf("status = %d, close %v, faults DPE = %d, want 405, close and 1", res.StatusCode, res.Close,
			g.faults(telemetry.DPE))
	}
	c.finish()
	c.ended() // what came for the tunnel is no request
	e.unused()
}
