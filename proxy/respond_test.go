package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

var responding = `
routes:
- name: down
  match: {path_prefix: /down}
  respond: {status: 503, body: "back at six", content_type: text/html, headers: {Retry-After: "600", x-a: b}}
- {name: empty, match: {path: /empty}, respond: {status: 200}}
- {name: none, match: {path: /none}, respond: {status: 204, headers: {x-a: b}}}
- {name: reset, match: {path: /reset}, respond: {status: 205}}
- {name: same, match: {path: /same}, respond: {status: 304}}
- {name: odd, match: {path: /odd}, respond: {status: 299, body: "odd\n"}}
- {name: large, match: {path: /large}, respond: {status: 200, body: "` + strings.Repeat("x", 32<<10) + `"}}
- {name: limited, match: {path: /limited}, respond: {status: 200, body: "in"}, rate_limit: {rate: 0.001, burst: 1}}
- {name: app, match: {path_prefix: /}, cluster: app}
`

// A route that responds itself does so in each version, and the connection goes on.
func TestRespondVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") }
	eachVersionOf(t, responding, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, tt := range []struct {
			method, path, sent   string
			status               int
			contentType, headers string
			body                 string
		}{
			{"GET", "/down/x?y", "", 503, "text/html", "600 b", "back at six"},
			{"HEAD", "/down", "", 503, "text/html", "600 b", ""},
			{"POST", "/down", strings.Repeat("x", 100_000), 503, "text/html", "600 b", "back at six"},
			{"GET", "/empty", "", 200, "", " ", ""},
			{"GET", "/none", "", 204, "", " b", ""},
			{"GET", "/reset", "", 205, "", " ", ""},
			{"GET", "/same", "", 304, "", " ", ""},
			{"GET", "/odd", "", 299, "text/plain; charset=utf-8", " ", "odd\n"},
			{"GET", "/large", "", 200, "text/plain; charset=utf-8", " ", strings.Repeat("x", 32<<10)},
			{"GET", "/limited", "", 200, "text/plain; charset=utf-8", " ", "in"},
			{"GET", "/limited", "", 429, "text/plain; charset=utf-8", "1000 ", "rate limited\n"},
			{"GET", "/", "", 200, "text/plain; charset=utf-8", " ", "app"},
		} {
			req, err := http.NewRequest(tt.method, url+tt.path, strings.NewReader(tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", tt.method, tt.path, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			headers := res.Header.Get("Retry-After") + " " + res.Header.Get("X-A")
			if err != nil || res.StatusCode != tt.status || string(body) != tt.body || headers != tt.headers ||
				res.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%s %s: %d %.80q %v, %v, want %d %.80q %s %s", tt.method, tt.path, res.StatusCode, body,
					res.Header, err, tt.status, tt.body, tt.contentType, tt.headers)
			}
		}
	})
}

// What a route responds itself is logged as any response, and explained. It is no failure.
func TestRespondIsToldOf(t *testing.T) {
	log := newLog(t)
	g := start(t, responding+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n", log.use)
	res, err := http.Get("http://" + g.addr + "/down")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	line := log.lineOf(1, "path", "/down")
	if line["status"] != 503.0 || line["route"] != "down" || line["flag"] != "" || line["reason"] != "" ||
		line["cluster"] != "" {
		t.Errorf("logged as %v, want 503 by the route down, without a flag, a reason and a cluster", line)
	}
	if res, err = http.Get("http://" + g.addr + "/"); err != nil { // of which the endpoint is not there
		t.Fatal(err)
	}
	res.Body.Close()
	if kept := g.keptFailures(1); len(kept) != 1 || kept[0].Route != "app" {
		t.Errorf("kept as failures: %+v, want that of the other route only", kept)
	}
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/down"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	want := route.ReplyOfRoute{Status: 503, ContentType: "text/html", Bytes: 11}
	if e.Reply == nil || *e.Reply != want || e.Retries != nil || len(e.Clusters)+len(e.Timeouts) > 0 {
		t.Errorf("explained as %+v, want %+v and nothing of clusters", e, want)
	}
	if e, err = g.server.Explain(route.ExplainRequest{URL: "http://x/none"}, config.Standard()); err != nil ||
		*e.Reply != (route.ReplyOfRoute{Status: 204}) {
		t.Errorf("explained as %+v, %v, want 204", e.Reply, err)
	}
}

// A caller of gRPC gets the status that stands for the route's.
func TestRespondGRPC(t *testing.T) {
	g := start(t, `
routes:
- {name: down, match: {path_prefix: /x.Y/}, respond: {status: 503, body: "back at six"}}
- {name: not, match: {path_prefix: /x.Z/}, respond: {status: 403}}
`)
	c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for method, want := range map[string]codes.Code{"/x.Y/Get": codes.Unavailable, "/x.Z/Get": codes.PermissionDenied} {
		st, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			err = st.RecvMsg(nil)
		}
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %s", method, err, want)
		}
	}
}
