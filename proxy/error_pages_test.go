package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// largePage is as large as an error page can be.
var largePage = strings.Repeat("x", 32<<10)

var withPages = `
routes:
- {name: far, match: {path: /far}, deny: {sources: [127.0.0.0/8]}, cluster: app}
- {name: own, match: {path: /own}, respond: {status: 503, body: "of the route"}}
- {name: empty, match: {path: /empty}, respond: {status: 503}}
- {name: named, match: {path: /named}, respond: {status: 503, headers: {x-request-id: "one of the route's"}}}
- {name: limited, match: {path: /limited}, cluster: app, rate_limit: {rate: 0.001, burst: 1}}
- {name: app, match: {path_prefix: /app}, cluster: app, response_headers: {set: {x-a: b}}}
error_pages:
  "404": {body: "<p>no such page", content_type: text/html}
  4xx: {body: "not for you"}
  "502": {body: "` + largePage + `"}
  5xx: {body: "slow"}
limits: {max_body: 5MB}
`

var madeID = regexp.MustCompile(`^[0-9a-f-]{36}$`)

// What the gateway answers itself has the page of its status, or else of its class, whoever carries the request. That
// may be a goroutine, the reading goroutine or the relay. What the app, a route or gRPC says stays. Each names the
// request.
func TestErrorPagesVersions(t *testing.T) {
	const plain = "text/plain; charset=utf-8"
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/app/abort":
			panic(http.ErrAbortHandler)
		case "/app/404":
			http.Error(w, "of the app", 404)
		}
	}
	eachVersionOf(t, withPages, handler, func(t *testing.T, g *gateway, c *http.Client, url string) {
		ask := func(method, path, id, contentType string) (status int, h http.Header, body string) {
			t.Helper()
			req, err := http.NewRequest(method, url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if id != "" {
				req.Header.Set("X-Request-Id", id)
			}
			if contentType != "" {
				req.Header.Set("Content-Type", contentType)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			defer res.Body.Close()
			all, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			return res.StatusCode, res.Header, string(all)
		}
		ask("GET", "/app", "", "")     // the connections are there from here on: the rest is relayed, or goes inline
		ask("GET", "/limited", "", "") // takes the token
		for _, tt := range []struct {
			method, path, contentType string
			status                    int
			kind, body                string
			more                      string // X-A, Grpc-Status
		}{
			{"GET", "/none", "", 404, "text/html", "<p>no such page", " "},
			{"HEAD", "/none", "", 404, "text/html", "", " "},
			{"POST", "/none", "application/grpc", 200, "application/grpc", "", " 12"},
			{"GET", "/far", "", 403, plain, "not for you", " "},
			{"GET", "/limited", "", 429, plain, "not for you", " "},
			{"POST", "/limited", "application/grpc+proto", 200, "application/grpc", "", " 8"},
			{"GET", "/app/abort", "", 502, plain, largePage, "b "},
			{"HEAD", "/app/abort", "", 502, plain, "", "b "},
			{"POST", "/app/abort", "application/grpc", 200, "application/grpc", "", "b 14"},
			{"GET", "/app/404", "", 404, plain, "of the app\n", "b "},
			{"GET", "/own", "", 503, plain, "of the route", " "},
			{"GET", "/empty", "", 503, "", "", " "},
			{"GET", "/app", "", 200, "", "", "b "},
		} {
			for _, id := range []string{"", "mine", strings.Repeat("x", 256), strings.Repeat("x", 257)} {
				what := fmt.Sprintf("%s %s %s with the id %.10q", tt.method, tt.path, tt.contentType, id)
				status, h, body := ask(tt.method, tt.path, id, tt.contentType)
				kind, more := h.Get("Content-Type"), h.Get("X-A")+" "+h.Get("Grpc-Status")
				if status != tt.status || body != tt.body || kind != tt.kind || more != tt.more {
					t.Errorf("%s: %d %q %.80q %q, want %d %q %.80q %q", what, status, kind, body, more,
						tt.status, tt.kind, tt.body, tt.more)
				}
				ids := strings.Join(h.Values("X-Request-Id"), " ")
				switch local := status != 200 && tt.path != "/app/404" || tt.contentType != ""; {
				case !local && ids == "", local && ids == id && id != "":
				case local && ids == "" && len(id) > 256:
				case local && id == "" && madeID.MatchString(ids):
				default:
					t.Errorf("%s: X-Request-Id %.80q", what, ids)
				}
			}
		}
		_, h, _ := ask("GET", "/named", "mine", "")
		if ids := h.Values("X-Request-Id"); len(ids) != 1 || ids[0] != "one of the route's" {
			t.Errorf("X-Request-Id where the route has one: %q", ids)
		}
	})
}

// The id in a response of the gateway is the log's.
func TestErrorPageNamesTheRequestOfTheLog(t *testing.T) {
	log := newLog(t)
	g := start(t, withPages+"clusters: [{name: app, endpoints: [\"127.0.0.1:9\"]}]\n", log.use)
	for i, raw := range []string{
		get("/none"), "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX-Request-Id: mine\r\nA b\r\n\r\n",
		"POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n",
	} {
		c := g.dial()
		c.send(raw)
		res, body := c.response(method(raw))
		want := "not for you"
		switch {
		case method(raw) == "HEAD":
			want = ""
			c.finish()
			if rest := c.rest(); rest != "" {
				t.Errorf("%.40q: a body of HEAD: %q", raw, rest)
			}
		case res.StatusCode == 404:
			want = "<p>no such page"
		}
		line, id := log.lines(i + 1)[i], res.Header.Get("X-Request-Id")
		if id == "" || line["request_id"] != id || body != want {
			t.Errorf("%.40q: %q with the id %q, logged %v; want %q", raw, body, id, line["request_id"], want)
		}
	}
}

// A head over the limit is answered alike by both versions.
func TestErrorPageOfALargeHead(t *testing.T) {
	g := start(t, withPages+"clusters: [{name: app, endpoints: [\"127.0.0.1:9\"]}]\n", headOf(1000))
	down := g.dial2()
	for i, end := range []bool{true, false} {
		id := uint32(1 + 2*i)
		down.Ask(id, end, "GET", "/large", "x-request-id", "mine", "x-big", strings.Repeat("x", 2000))
		h := down.Answer(id, "431")
		if got := headerOf(h, "x-request-id"); got != "mine" {
			t.Errorf("X-Request-Id %q, want that of the request", got)
		}
		if !down.Text(id, "not for you") {
			down.Text(id, "") // the end came alone
		}
		if !end {
			down.Reset(id, http2.ErrCodeNo)
		}
	}
	down.Ask(5, true, "POST", "/large", "content-type", "application/grpc", "x-big", strings.Repeat("x", 2000))
	if got := headerOf(down.Answer(5, "200"), "grpc-status"); got != "13" {
		t.Errorf("grpc-status %q, want 13", got)
	}
	g.counted(telemetry.DPE, 3)
}

func headerOf(h *http2.MetaHeadersFrame, name string) string {
	for _, f := range h.RegularFields() {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// A client whose window is smaller than the page gets the page as the window opens, for a relayed request too. Only
// then it hears that the rest of its request is not wanted.
func TestErrorPageThroughASmallWindow(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "protocol: http2", e.addr)+"error_pages: {5xx: {body: \"that is all we know\"}}\n")
	down := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	down.Ask(1, true, "GET", "/first")
	up := e.accept2()
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	for i, end := range []bool{true, false} {
		id := uint32(3 + 2*i)
		down.Ask(id, end, "POST", "/")
		up.Must(up.WriteRSTStream(up.Any().StreamID, http2.ErrCodeInternal))
		down.Answer(id, "502")
		down.Text(id, "that is al")
		down.Must(down.WriteWindowUpdate(id, 4))
		down.Text(id, "l we")
		down.Must(down.WriteWindowUpdate(id, 1000))
		if !down.Text(id, " know") {
			t.Error("the page has no end")
		}
		if !end {
			down.Reset(id, http2.ErrCodeNo)
		}
	}
	down.Ask(7, true, "GET", "/")
	up.Must(up.WriteRSTStream(up.Any().StreamID, http2.ErrCodeInternal))
	down.Answer(7, "502")
	down.Text(7, "that is al")
	down.Must(down.WriteRSTStream(7, http2.ErrCodeCancel)) // who goes away takes nothing with it
	down.Ask(9, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "204")
	down.Answer(9, "204")
}

// Explain says which pages a request may get.
func TestErrorPagesAreExplained(t *testing.T) {
	g := start(t, withPages+"clusters: [{name: app, endpoints: [\"127.0.0.1:9\"]}]\n")
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/none"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	const plain = "text/plain; charset=utf-8"
	want := []route.PageInForce{
		{Status: "404", ContentType: "text/html", Bytes: 15}, {Status: "4xx", ContentType: plain, Bytes: 11},
		{Status: "502", ContentType: plain, Bytes: 32 << 10}, {Status: "5xx", ContentType: plain, Bytes: 4},
	}
	if e.Route != nil || fmt.Sprint(e.ErrorPages) != fmt.Sprint(want) {
		t.Errorf("explained as %v, want %v", e.ErrorPages, want)
	}
}
