package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

const redirecting = `
routes:
- {name: tls, match: {host: a.test, path_prefix: /}, redirect: {scheme: https}}
- {name: port, match: {host: b.test, path_prefix: /}, redirect: {host: c.test, port: 8443, status: 301}}
- {name: moved, match: {path_prefix: /old}, redirect: {prefix_rewrite: /new, status: 307}}
- {name: root, match: {path_prefix: /all}, redirect: {prefix_rewrite: /, status: 302}}
- {name: one, match: {path: /one}, redirect: {path: /two, query: drop, status: 303}}
- {name: app, match: {path_prefix: /}, cluster: app}
`

// A redirect is the same in each version, and the connection goes on.
func TestRedirectVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "app") }
	eachVersionOf(t, redirecting, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, tt := range []struct {
			method, host, path, sent string
			status                   int
			location, body           string
		}{
			{"GET", "a.test:8080", "/x?y=1", "", 308, "https://a.test/x?y=1", "redirected\n"},
			{"HEAD", "a.test", "/x", "", 308, "https://a.test/x", ""},
			{"POST", "a.test", "/x", strings.Repeat("x", 100_000), 308, "https://a.test/x", "redirected\n"},
			{"GET", "a.test", "//evil.test/", "", 308, "https://a.test//evil.test/", "redirected\n"},
			{"GET", "b.test", "/x", "", 301, "http://c.test:8443/x", "redirected\n"},
			{"GET", "", "/old/%41/?", "", 307, "/new/%41/?", "redirected\n"},
			{"GET", "", "/all//evil.test/", "", 302, "/evil.test/", "redirected\n"},
			{"GET", "", "/one?x", "", 303, "/two", "redirected\n"},
			{"GET", "", "/oneself", "", 200, "", "app"},
		} {
			req, err := http.NewRequest(tt.method, url+tt.path, strings.NewReader(tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", tt.method, tt.path, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.status || string(body) != tt.body ||
				res.Header.Get("Location") != tt.location {
				t.Errorf("%s %s%s: %d %q %v, %v, want %d %q to %s", tt.method, tt.host, tt.path, res.StatusCode, body,
					res.Header, err, tt.status, tt.body, tt.location)
			}
		}
	})
}

// Where a redirect leads is logged as any response and explained.
func TestRedirectIsToldOf(t *testing.T) {
	log := newLog(t)
	g := start(t, redirecting+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n", log.use)
	c := versionClient(t, false)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Get("http://" + g.addr + "/old")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	line := log.lineOf(1, "path", "/old")
	if line["status"] != 307.0 || line["route"] != "moved" || line["flag"] != "" {
		t.Errorf("logged as %v, want 307 by the route moved, without a flag", line)
	}
	for url, want := range map[string]string{
		"http://a.test/x?y":     "https://a.test/x?y",
		"https://b.test/x":      "https://c.test:8443/x",
		"http://x/%6fld/a/../b": "/new/b",
	} {
		e, err := g.server.Explain(route.ExplainRequest{URL: url}, config.Standard())
		if err != nil || e.Reply == nil || e.Reply.Location != want || len(e.Clusters) > 0 {
			t.Errorf("%s: explained as %+v, %v, want %s", url, e, err, want)
		}
	}
}
