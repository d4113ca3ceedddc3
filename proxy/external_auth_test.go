package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// outside is a document whose routes ask another service, at that address.
func outside(auth, protocol string) string {
	return `
routes:
- {name: shop, match: {path_prefix: /shop}, external_auth: {cluster: auth, path: "/check?a=b", request_headers: [cookie, X-Key], response_headers: [x-user, x-role]}, cluster: app, prefix_rewrite: /rewritten}
- {name: open, match: {path: /open}, external_auth: {cluster: auth, on_error: allow, response_headers: [x-user]}, cluster: app}
- {name: page, match: {path: /page}, external_auth: {cluster: auth}, respond: {status: 200, body: page}}
- {name: far, match: {path: /far}, allow: {sources: [192.0.2.1]}, external_auth: {cluster: auth}, cluster: app}
- {name: all, match: {path_prefix: /}, cluster: app}
clusters:
- {name: auth, protocol: ` + protocol + `, endpoints: ["` + auth + `"]}
`
}

// withApp adds the cluster of the app.
func withApp(document, address, protocol string) string {
	return document + "- {name: app, protocol: " + protocol + ", endpoints: [\"" + address + "\"]}\n"
}

// A request goes on as the other service says, in each version of client, service and endpoint. What the service says
// of the client replaces what the client says.
func TestExternalAuthVersions(t *testing.T) {
	authority := func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); n > 0 || r.ContentLength > 0 {
			t.Errorf("the service got a body of %d bytes", n)
		}
		w.Header().Set("X-Asked", fmt.Sprintf("%s %s|%s %s %s|%s|%s|%s", r.Method, r.URL,
			r.Header.Get("X-Forwarded-Method"), r.Header.Get("X-Forwarded-Uri"),
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Cookie"),
			r.Header.Get("X-Key"), r.Header.Get("X-Other")))
		if r.Header.Get("X-Forwarded-For") != "127.0.0.1" || r.Header.Get("X-Request-Id") == "" ||
			!strings.HasPrefix(r.Header.Get("X-Forwarded-Host"), "shop.test") || r.Host == "shop.test" {
			t.Errorf("the service was asked with %v for %s", r.Header, r.Host)
		}
		switch _, key, _ := strings.Cut(r.Header.Get("X-Key"), "="); key {
		case "ok":
			w.Header().Set("X-User", "ann")
			_, _ = io.WriteString(w, "welcome")
		case "large":
			w.Header().Set("X-User", "ann")
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		case "none":
			w.WriteHeader(204)
		case "401":
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(401)
			_, _ = io.WriteString(w, "<p>who are you?")
		case "login":
			w.Header().Set("Location", "https://login.test/?next=shop")
			w.Header().Add("Set-Cookie", "a=b")
			w.WriteHeader(302)
		case "long":
			w.WriteHeader(403)
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		case "404":
			w.WriteHeader(404)
		case "500":
			w.WriteHeader(500)
		default:
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "no")
		}
	}
	app := func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d user=%q %q role=%q trailer=%q", r.URL.Path, n, r.Header.Values("X-User"),
			r.Header.Values("X_User"), r.Header.Values("X-Role"), r.Trailer.Get("X-User"))
	}
	for _, auth2 := range []bool{false, true} {
		name := map[bool]string{false: "http1", true: "http2"}
		for _, down2 := range []bool{false, true} {
			for _, up2 := range []bool{false, true} {
				t.Run(name[down2]+" to "+name[up2]+" by "+name[auth2], func(t *testing.T) {
					g := start(t, withApp(outside(versionBackend(t, auth2, authority), name[auth2]),
						versionBackend(t, up2, app), name[up2]))
					c := versionClient(t, down2)
					c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
					refused := int64(0)
					for _, tt := range []struct {
						path, key    string
						status       int
						body, fields string
					}{
						{"/shop/x?y", "k=ok", 200, `/rewritten/x 100000 user=["ann"] [] role=[] trailer=""`, "  "},
						{"/shop/x", "k=large", 200, `/rewritten/x 100000 user=["ann"] [] role=[] trailer=""`, "  "},
						{"/shop/x", "k=none", 200, `/rewritten/x 100000 user=[] [] role=[] trailer=""`, "  "},
						{"/shop/x", "k=401", 401, "<p>who are you?", "Bearer text/html "},
						{"/shop/x", "k=login", 302, "", "  https://login.test/?next=shop"},
						{"/shop/x", "k=no", 403, "no", " text/plain; charset=utf-8 "},
						{"/shop/x", "k=long", 403, "", " "},
						{"/shop/x", "k=404", 503, "authorization is not available\n", " text/plain; charset=utf-8 "},
						{"/shop/x", "k=500", 503, "authorization is not available\n", " text/plain; charset=utf-8 "},
						{"/open", "", 403, "no", " text/plain; charset=utf-8 "}, // keys are not sent
						{"/page", "", 403, "no", " text/plain; charset=utf-8 "},
						{"/far", "k=ok", 403, "forbidden\n", " text/plain; charset=utf-8 "}, // nobody is asked
						{"/x", "", 200, `/x 100000 user=["root" "root2"] ["root"] role=["admin"] trailer="root"`, "  "},
					} {
						req, err := http.NewRequest("POST", "http://"+g.addr+tt.path,
							io.NopCloser(strings.NewReader(strings.Repeat("x", 100_000))))
						if err != nil {
							t.Fatal(err)
						}
						req.Host = "shop.test"
						req.Trailer = http.Header{"X-User": {"root"}}
						req.Header = http.Header{"Cookie": {"a=b; c=d"}, "X-Key": {tt.key}, "X-Other": {"other"},
							"X-User": {"root", "root2"}, "X_User": {"root"}, "X-Role": {"admin"},
							"X-Forwarded-Uri": {"/public"}, "X-Forwarded-Method": {"GET"}}
						res, err := c.Do(req)
						if err != nil {
							t.Fatalf("%s %s: %v", tt.path, tt.key, err)
						}
						body, err := io.ReadAll(res.Body)
						res.Body.Close()
						fields := res.Header.Get("WWW-Authenticate") + " " + res.Header.Get("Content-Type") + " " +
							res.Header.Get("Location")
						if tt.status == 200 {
							fields = "  "
						}
						if err != nil || res.StatusCode != tt.status || string(body) != tt.body ||
							tt.key != "k=long" && fields != tt.fields {
							t.Errorf("%s %s: %d %q %q, %v, want %d %q %q", tt.path, tt.key, res.StatusCode, body,
								fields, err, tt.status, tt.body, tt.fields)
						}
						if asked := res.Header.Get("X-Asked"); tt.key == "k=no" &&
							asked != "GET /check?a=b|POST /shop/x http|a=b; c=d|k=no|" {
							t.Errorf("the service was asked %q", asked)
						}
						if tt.status != 200 {
							refused++
						}
					}
					g.counted(telemetry.AC, refused)
				})
			}
		}
	}
}

// Where the service is away, late or broken, nobody is let in, unless the document says so.
func TestExternalAuthAway(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user=%q", r.Header.Values("X-User"))
	})
	hang := make(chan struct{})
	defer close(hang)
	late := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	broken := script(t, func(w *wire) { w.Close() })
	for _, tt := range []struct{ name, auth, reason, or string }{
		{"away", testserver.Addr(t), "connect: connection refused", ""},
		{"late", late, "upstream timeout", ""},
		{"broken", broken, "unexpected EOF", "connection reset by peer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newLog(t)
			const quick = "cluster: auth, timeout: 100ms,"
			document := strings.ReplaceAll(outside(tt.auth, "http1"), "cluster: auth,", quick)
			g := start(t, withApp(document, app, "http1"), log.use)
			res, body := g.ask("GET /shop HTTP/1.1\r\nHost: a\r\nX-User: root\r\n\r\n")
			if res.StatusCode != 503 || body != "authorization is not available\n" {
				t.Errorf("closed: %d %q", res.StatusCode, body)
			}
			l := log.lineOf(1, "path", "/shop")
			reason := strings.TrimSuffix(fmt.Sprint(l["reason"]), " (external_auth)")
			if reason = strings.TrimPrefix(reason, "cluster auth: "); l["flag"] != "AC" || l["cluster"] != "" ||
				reason != tt.reason && reason != tt.or {
				t.Errorf("logged as %v, want the reason %q", l, tt.reason)
			}
			res, body = g.ask("GET /open HTTP/1.1\r\nHost: a\r\nX-User: root\r\nx_user: root\r\n\r\n")
			if res.StatusCode != 200 || body != "user=[]" {
				t.Errorf("open: %d %q, want the app, without what the client says of itself", res.StatusCode, body)
			}
		})
	}
}

// While the service thinks, others on the connection go on; a client that goes away is not waited for.
func TestExternalAuthHoldsNobodyUp(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") })
	var asked, gone atomic.Int64
	auth := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
		gone.Add(1)
	})
	document := strings.ReplaceAll(outside(auth, "http1"), "cluster: auth,", "cluster: auth, timeout: 1h,")
	g := start(t, withApp(document, app, "http1"))
	for _, h2 := range []bool{false, true} {
		c := versionClient(t, h2)
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+g.addr+"/shop", nil)
		if err != nil {
			t.Fatal(err)
		}
		before := asked.Load()
		ended := make(chan error, 1)
		go func() {
			res, err := c.Do(req)
			if err == nil {
				res.Body.Close()
			}
			ended <- err
		}()
		testserver.WaitFor(t, patience, "the service to be asked", func() bool { return asked.Load() > before })
		login(t, versionClient(t, h2), "http://"+g.addr+"/x", "", 200)
		leave()
		if err := <-ended; err == nil {
			t.Error("a request was answered that the service said nothing about")
		}
		testserver.WaitFor(t, patience, "the question to end", func() bool { return gone.Load() == before+1 })
	}
	g.counted(telemetry.DC, 2)
}

func TestExternalAuthGRPC(t *testing.T) {
	auth := backend(t, func(w http.ResponseWriter, r *http.Request) {
		code := 401
		if strings.HasSuffix(r.Header.Get("X-Forwarded-Uri"), "/No") {
			code = 403
		}
		w.WriteHeader(code)
	})
	g := start(t,
		"routes:\n- {name: a, match: {path_prefix: /}, external_auth: {cluster: auth}, respond: {status: 200}}\n"+
			"clusters: [{name: auth, endpoints: [\""+auth+"\"]}]\n")
	c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for method, want := range map[string]codes.Code{
		"/x.Y/Get": codes.Unauthenticated, "/x.Y/No": codes.PermissionDenied,
	} {
		st, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			err = st.RecvMsg(nil)
		}
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %s", method, err, want)
		}
	}
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/"}, config.Standard())
	want := route.ExternalAuthInForce{Cluster: "auth", Path: "/", Timeout: "1s", OnError: "deny"}
	if err != nil || e.Access == nil || e.Access.ExternalAuth == nil || *e.Access.ExternalAuth != want {
		t.Errorf("explained as %+v, %v, want %+v", e.Access, err, want)
	}
}

// A tunnel is asked about like any request. What the client sends early, which lies behind its head, comes through.
func TestExternalAuthOfAnUpgrade(t *testing.T) {
	auth := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-User", "ann") })
	document := func(app string) string {
		return "routes:\n- {name: a, match: {path_prefix: /}, cluster: app, external_auth: {cluster: auth, " +
			"response_headers: [x-user]}}\nclusters:\n- {name: auth, endpoints: [\"" + auth +
			"\"]}\n- {name: app, endpoints: [\"" + app + "\"]}\n"
	}
	_, c, up := tunnel(t, document, "early from the client", "early from the endpoint")
	up.expect("early from the client")
	c.expect("early from the endpoint")
}
