package proxy_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

const rewriting = `
routes:
- {name: user, match: {path_prefix: /u}, cluster: app, regex_rewrite: {pattern: "^/u/([0-9]+)", substitution: "/users/$1"}}
- {name: dash, match: {path_prefix: /d}, cluster: app, regex_rewrite: {pattern: "-", substitution: ""}}
- {name: prefix, match: {path_prefix: /p}, cluster: app, prefix_rewrite: /q}
`

// A path is rewritten by a pattern in the same way in each version.
func TestRegexRewriteVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) }
	eachVersionOf(t, rewriting, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, tt := range []struct {
			target string
			status int
			want   string
		}{
			{"/u/7", 200, "/users/7"},
			{"/u/7/a?x=/u/8&y", 200, "/users/7/a?x=/u/8&y"},
			{"/%75/%37/%2f?", 200, "/users/7/%2f?"}, // another spelling of the path leads to the same
			{"/u/a/%41", 200, "/u/a/%41"},           // nothing fits: the bytes that came
			{"/d/a-b-", 200, "/d/ab"},
			{"/d/.-.", 400, "malformed path\n"},
			{"/d/---------------------------------", 414, "rewritten path is too long\n"},
		} {
			res, err := c.Get(url + tt.target)
			if err != nil {
				t.Fatalf("%s: %v", tt.target, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.status || string(body) != tt.want {
				t.Errorf("%s: %d %q, %v, want %d %q", tt.target, res.StatusCode, body, err, tt.status, tt.want)
			}
		}
	})
}

// What the endpoint gets is explained, also where a prefix is rewritten.
func TestRewriteIsExplained(t *testing.T) {
	g := start(t, rewriting+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n")
	for path, want := range map[string]struct {
		path  string
		reply int
	}{"/u/7/a?b": {"/users/7/a", 0}, "/u/x": {"", 0}, "/p/x": {"/q/x", 0}, "/d/.-.": {"", 400}} {
		e, err := g.server.Explain(route.ExplainRequest{URL: "http://a" + path}, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		reply := 0
		if e.Reply != nil {
			reply = e.Reply.Status
		}
		if e.UpstreamPath != want.path || reply != want.reply {
			t.Errorf("%s: explained as %q, %d, want %v", path, e.UpstreamPath, reply, want)
		}
	}
}
