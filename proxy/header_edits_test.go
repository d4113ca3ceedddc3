package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

const editing = `
request_headers: {set: {x-all: all, x-over: document}, remove: [x-internal]}
response_headers: {set: {x-all: all, x-over: document}, add: {x-many: document}}
routes:
- name: edit
  match: {path_prefix: /edit}
  cluster: app
  request_headers:
    set: {x-over: route, X-Set: "${route} ${method} ${path} ${host} costs 5$$", user-agent: gateway, x-real-ip: "${remote_ip}"}
    add: {x-add: "2", accept: text/b}
    remove: [x-gone, X-Forwarded-For, cookie]
  response_headers:
    set: {x-over: route, server: gateway, x-set: "${cluster} ${service} ${instance} ${scheme} ${listener}"}
    add: {x-many: route, vary: b}
    remove: [x-powered-by, etag]
- name: empty
  match: {path_prefix: /empty}
  cluster: app
  request_headers: {set: {x-all: "${client_identity}", x-set: "${tls_version} a ${trace_id}"}}
  response_headers: {remove: [x-all, x-over, x-many, set-cookie]}
- {name: none, match: {path_prefix: /none}, cluster: "consul:none", response_headers: {set: {x-set: "${cluster}:${endpoint}:"}}}
- {name: moved, match: {path: /moved}, redirect: {path: /new}, response_headers: {set: {x-set: "${route}"}}}
- name: down
  match: {path: /down}
  respond: {status: 503, body: down, headers: {x-a: b}}
  response_headers: {set: {cache-control: no-store}, remove: [x-a]}
- {name: plain, match: {path_prefix: /plain}, cluster: app}
`

// inService is a gateway with a service and an instance, which variables tell.
func inService(o *proxy.Options) { o.Service, o.Instance = "shop", "shop-1" }

// Heads are edited in the same way in each version.
func TestHeaderEditVersions(t *testing.T) {
	asked := make(chan http.Header, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header
		for _, name := range []string{"Server", "X-Powered-By", "Etag", "X-All", "X-Many", "Vary", "Set-Cookie"} {
			w.Header().Set(name, "app")
		}
		if r.URL.Path == "/edit/hints" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		_, _ = io.WriteString(w, "app")
	}
	eachVersionOf(t, editing, handler,
		func(t *testing.T, _ *gateway, c *http.Client, url string) {
			for _, tt := range []struct {
				path     string
				request  string // fields as the app sees them, of those below
				response string // as the client sees them
			}{
				{"/edit/%41?x=1", `X-All["all"] X-Over["route"] X-Set["edit GET /edit/%41 a.test:81 costs 5$"] ` +
					`User-Agent["gateway"] X-Real-Ip["127.0.0.1"] X-Add["1" "2"] Accept["text/a" "text/b"] ` +
					`X-Forwarded-Host["a.test:81"]`,
					`X-All["all"] X-Over["route"] X-Set["app shop shop-1 http web"] Server["gateway"] ` +
						`X-Many["app" "document" "route"] Vary["app" "b"] Set-Cookie["app"]`},
				{"/edit/hints", `X-All["all"] X-Over["route"] X-Set["edit GET /edit/hints a.test:81 costs 5$"] ` +
					`User-Agent["gateway"] X-Real-Ip["127.0.0.1"] X-Add["1" "2"] Accept["text/a" "text/b"] ` +
					`X-Forwarded-Host["a.test:81"]`,
					`X-All["all"] X-Over["route"] X-Set["app shop shop-1 http web"] Server["gateway"] ` +
						`X-Many["app" "document" "route"] Vary["app" "b"] Set-Cookie["app"]`},
				{"/empty", `X-All[""] X-Over["document"] X-Set["a"] User-Agent["client"] X-Add["1"] X-Gone["1"] ` +
					`Accept["text/a"] X-Forwarded-For["127.0.0.1"] X-Forwarded-Host["a.test:81"] Cookie["a=1; b=2"]`,
					`Server["app"] X-Powered-By["app"] Etag["app"] Vary["app"]`},
				{"/plain", `X-All["all"] X-Over["document"] User-Agent["client"] X-Add["1"] X-Gone["1"] ` +
					`Accept["text/a"] X-Forwarded-For["127.0.0.1"] X-Forwarded-Host["a.test:81"] Cookie["a=1; b=2"]`,
					`X-All["all"] X-Over["document"] Server["app"] X-Many["app" "document"] X-Powered-By["app"] ` +
						`Etag["app"] Vary["app"] Set-Cookie["app"]`},
				{"/none", "", `X-All["all"] X-Over["document"] X-Set["consul:none::"] X-Many["document"]`},
				{"/moved", "", `X-All["all"] X-Over["document"] X-Set["moved"] X-Many["document"]`},
				{"/down", "", `X-All["all"] X-Over["document"] X-Many["document"] Cache-Control["no-store"]`},
				{"/without", "", ""},
			} {
				var informed textproto.MIMEHeader
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
						informed = h
						return nil
					}})
				req, err := http.NewRequestWithContext(ctx, "GET", url+tt.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "a.test:81"
				for _, name := range []string{"X-Internal", "X-Add", "X-Gone", "X-Over", "X-Real-Ip"} {
					req.Header.Set(name, "1")
				}
				req.Header.Set("User-Agent", "client")
				req.Header.Set("Accept", "text/a")
				req.Header.Set("Cookie", "a=1; b=2") // over HTTP/2 it goes in two fields
				res, err := c.Transport.RoundTrip(req)
				if err != nil {
					t.Fatalf("%s: %v", tt.path, err)
				}
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				got := ""
				if tt.request != "" {
					got = fieldsOf(<-asked, "X-All", "X-Over", "X-Set", "User-Agent", "X-Real-Ip", "X-Add", "X-Gone",
						"X-Internal", "Accept", "X-Forwarded-For", "X-Forwarded-Host", "Cookie")
				}
				if err != nil || got != tt.request {
					t.Errorf("%s: the app got\n%s, want\n%s (%v)", tt.path, got, tt.request, err)
				}
				if got := fieldsOf(res.Header, "X-All", "X-Over", "X-Set", "Server", "X-Many", "X-Powered-By", "X-A",
					"Etag", "Vary", "Cache-Control", "Set-Cookie"); got != tt.response {
					t.Errorf("%s: the client got %d\n%s, want\n%s", tt.path, res.StatusCode, got, tt.response)
				}
				if hints := tt.path == "/edit/hints"; hints != (informed.Get("X-Powered-By") == "app") ||
					informed.Get("X-Set") != "" {
					t.Errorf("%s: the interim response has %v, want it as it came", tt.path, informed)
				}
			}
		}, inService)
}

// What a route drops in the head, or replaces, does not come behind the body either, nor with underscores: apps take it
// for the same.
func TestHeaderEditsHoldForTrailers(t *testing.T) {
	seen := make(chan *http.Request, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // behind it are the trailers
		seen <- r
	}
	eachVersionOf(t, editing, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for n := range 2 { // the first request of a connection may be carried in another way than the later ones
			req, err := http.NewRequest("POST", url+"/edit", io.NopCloser(strings.NewReader("body")))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"X_over", "X_internal", "X_gone", "User_agent"} {
				req.Header[name] = []string{"1"}
			}
			req.Trailer = http.Header{"X-Over": {"1"}, "X-Internal": {"1"}, "X_internal": {"1"}, "X-Kept": {"1"},
				"User-Agent": {"1"}, "X_gone": {"1"}}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			r := <-seen
			if got := fieldsOf(r.Header, "X-Over", "X_over", "X_internal", "X_gone",
				"User_agent"); got != `X-Over["route"]` {
				t.Errorf("request %d: the app got %s, want X-Over of the route alone", n, got)
			}
			if got := fieldsOf(r.Trailer, "X-Over", "X-Internal", "X_internal", "User-Agent", "X_gone",
				"X-Kept"); got !=
				`X-Kept["1"]` {
				t.Errorf("request %d: the app got the trailers %s, want X-Kept alone", n, got)
			}
		}
	}, inService)
}

// fieldsOf writes the values of those fields that are there.
func fieldsOf(h http.Header, names ...string) string {
	var all []string
	for _, name := range names {
		if v := h.Values(name); len(v) > 0 {
			all = append(all, fmt.Sprintf("%s%q", name, v))
		}
	}
	return strings.Join(all, " ")
}

// The response that begins a WebSocket is edited too.
func TestHeaderEditOfUpgrade(t *testing.T) {
	address := script(t, func(w *wire) {
		w.head()
		w.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\n")
	})
	g := start(t, routed(address, "response_headers: {set: {x-a: \"${endpoint}\"}, add: {x-b: c}}"))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	head := c.head()
	if strings.Contains(head, "X-A: 1") || !strings.Contains(head, "x-a: 127.0.0.1:") ||
		!strings.Contains(head, "x-b: c\r\n") || !strings.Contains(head, "Upgrade: websocket\r\n") {
		t.Errorf("head = %q, want x-a and x-b of the route", head)
	}
}

// A caller of gRPC gets its status, whatever is edited.
func TestHeaderEditGRPC(t *testing.T) {
	g := start(t, `
routes:
- name: down
  match: {path_prefix: /}
  respond: {status: 503}
  response_headers: {set: {x-route: "${route}"}}
`)
	c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	st, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/x.Y/Get")
	var md metadata.MD
	if err == nil {
		err = st.RecvMsg(nil)
		md = st.Trailer()
	}
	if status.Code(err) != codes.Unavailable || strings.Join(md.Get("x-route"), " ") != "down" {
		t.Errorf("%v with %v, want Unavailable with x-route: down", err, md)
	}
}

// What is edited is explained by its name: the value may be a secret.
func TestHeaderEditsAreExplained(t *testing.T) {
	g := start(t, editing+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n")
	for path, want := range map[string]string{
		"/empty": "request remove x-internal document, request set x-all document, request set x-over document, " +
			"request set x-all route, request set x-set route, " +
			"response set x-all document, response set x-over document, response add x-many document, " +
			"response remove set-cookie route, response remove x-all route, response remove x-many route, " +
			"response remove x-over route",
		"/down": "response set x-all document, response set x-over document, response add x-many document, " +
			"response remove x-a route, response set cache-control route",
		"/without": "",
	} {
		e, err := g.server.Explain(route.ExplainRequest{URL: "http://a" + path}, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, h := range e.Headers {
			all = append(all, h.Of+" "+h.Edit+" "+h.Name+" "+h.From)
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// A response without Set-Cookie has none of the gateway's either, in each version.
func TestHeaderEditRemovesCookieOfGateway(t *testing.T) {
	for edits, want := range map[string]int{"": 1, "response_headers: {remove: [set-cookie]}": 0} {
		for _, h2 := range []bool{false, true} {
			address := versionBackend(t, false, func(http.ResponseWriter, *http.Request) {})
			g := start(t, clustered(edits, "balance: hash, hash: {cookie: {name: user}}", address))
			res, err := versionClient(t, h2).Get("http://" + g.addr)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := len(res.Cookies()); got != want {
				t.Errorf("%q, HTTP/2 %v: %d cookies, want %d", edits, h2, got, want)
			}
		}
	}
}
