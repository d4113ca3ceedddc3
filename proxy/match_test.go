package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// matching has a route for each kind of condition. Each rewrites the path to its name, so that the endpoint tells which
// it was.
const matching = `
routes:
- {name: hosts, match: {hosts: [a.test, "*.b.test"]}, cluster: app, prefix_rewrite: /hosts}
- {name: path, match: {path: /exact/a}, cluster: app, prefix_rewrite: /path}
- {name: below, match: {path_prefix: /exact, headers: {x-more: {present: true}}}, cluster: app, prefix_rewrite: /below}
- {name: first-regex, match: {path_regex: "/(exact|r)/[a-z]"}, cluster: app, host_rewrite: first-regex}
- {name: second-regex, match: {path_regex: "/r/.*", methods: [GET], headers: {x-more: {present: true}}}, cluster: app,
   host_rewrite: second-regex}
- {name: prefix, match: {path_prefix: /h, headers: {x-tenant: {prefix: A-, ignore_case: true}}}, cluster: app,
   prefix_rewrite: /prefix}
- {name: suffix, match: {path_prefix: /h, headers: {x-tenant: {suffix: -z}}}, cluster: app, prefix_rewrite: /suffix}
- {name: contains, match: {path_prefix: /h, headers: {x-tenant: {contains: mid}}}, cluster: app,
   prefix_rewrite: /contains}
- {name: regex, match: {path_prefix: /h, headers: {x-tenant: {regex: "[0-9]+"}}}, cluster: app, prefix_rewrite: /regex}
- {name: absent, match: {path_prefix: /h, headers: {x-tenant: {present: false}}}, cluster: app, prefix_rewrite: /absent}
- {name: cookie, match: {path_prefix: /c, headers: {cookie: "a=1; b=2"}}, cluster: app, prefix_rewrite: /cookie}
- {name: query, match: {path_prefix: /q, query: {"a b": "c&d", page: {regex: "[0-9]+"}}}, cluster: app,
   prefix_rewrite: /query}
- {name: not-query, match: {path_prefix: /q, query: {page: {exact: "1", invert: true}}}, cluster: app,
   prefix_rewrite: /not-query}
- {name: local, match: {path_prefix: /s, source: [127.0.0.0/8, "::1"]}, cluster: app, prefix_rewrite: /local}
- {name: far, match: {path_prefix: /s, source: [203.0.113.0/24], methods: [GET]}, cluster: app, prefix_rewrite: /far}
`

// Each condition means the same whichever versions are spoken.
func TestMatchVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Host, "regex") {
			fmt.Fprint(w, r.Host)
			return
		}
		fmt.Fprint(w, strings.Split(r.URL.Path, "/")[1])
	}
	eachVersionOf(t, matching, handler, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, tt := range []struct{ name, host, path, fields, want string }{
			{"one host", "a.test", "/", "", "hosts"},
			{"another host", "x.b.test", "/", "", "hosts"},
			{"none of the hosts", "b.test", "/", "", ""},
			{"the whole path, encoded", "", "/exact/%61", "", "path"},
			{"more conditions do not beat a whole path", "", "/exact/a", "X-More: 1", "path"},
			{"not the whole path", "", "/exact/a/", "X-More: 1", "below"},
			{"a pattern beats a prefix", "", "/exact/b", "X-More: 1", "first-regex"},
			{"patterns in the document's order", "", "/r/a", "X-More: 1", "first-regex"},
			{"patterns fit whole paths", "", "/r/abc", "X-More: 1", "second-regex"},
			{"a pattern with a condition that is not met", "", "/r/abc", "", ""},
			{"prefix", "", "/h", "X-Tenant: a-x", "prefix"},
			{"suffix", "", "/h", "X-Tenant: x-z", "suffix"},
			{"suffix differs by case", "", "/h", "X-Tenant: x-Z", ""},
			{"contains", "", "/h", "X-Tenant: x-mid-x", "contains"},
			{"any of several values", "", "/h", "X-Tenant: no\nX-Tenant: 77", "regex"},
			{"the whole value", "", "/h", "X-Tenant: 77a", ""},
			{"absent", "", "/h", "", "absent"},
			{"cookie", "", "/c", "Cookie: a=1; b=2", "cookie"},
			{"query, encoded", "", "/q?page=x&page=77&a+b=c%26d", "", "query"},
			{"an inverted condition and no parameter", "", "/q", "", "not-query"},
			{"an inverted condition", "", "/q?page=2&p%61ge=1", "", ""},
			{"source", "", "/s", "", "local"},
			{"source as a trusted proxy tells it", "", "/s", "X-Forwarded-For: 203.0.113.9", "far"},
		} {
			req, err := http.NewRequest("GET", url+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			for line := range strings.SplitSeq(tt.fields, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					req.Header.Add(name, value)
				}
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			got := string(body)
			if res.StatusCode == 404 {
				got = ""
			}
			if err != nil || got != tt.want {
				t.Errorf("%s: %d %q, %v, want %q", tt.name, res.StatusCode, got, err, tt.want)
			}
		}
	}, trusting("127.0.0.0/8", "::1/128"))
}

// Why a route is taken or not, for each kind of condition.
func TestExplainMatch(t *testing.T) {
	g := start(t, matching+"clusters: [{name: app, endpoints: [\"127.0.0.1:9001\"]}]\n")
	for _, tt := range []struct {
		path, field string
		want        []string
	}{
		{"http://x.b.test/", "", []string{`hosts: host "*.b.test" wildcard, prefix /`}},
		{"http://x/exact/a", "X-More: 1", []string{
			"first-regex: it fits too, but path comes first: it is for just this path",
			"below: it fits too, but path comes first: it is for just this path",
			"second-regex: the path does not fit the path_regex /r/.*", "hosts: the host is none of *.b.test, a.test"}},
		{"http://x/r/a", "X-More: 1",
			[]string{"second-regex: it fits too, but first-regex comes first: it stands before it in the document",
				"path: the path is not /exact/a"}},
		{"http://x/h", "X-Tenant: a-x", []string{"suffix: the header x-tenant does not fit (suffix)",
			"absent: there is a header x-tenant"}},
		{"http://x/h", "", []string{"prefix: there is no header x-tenant"}},
		{"http://x/q?page=1", "", []string{"query: there is no parameter a b",
			"not-query: the parameter page has a value that it must not have"}},
		{"http://x/s", "", []string{"far: the client's address is not in 203.0.113.0/24"}},
	} {
		q := route.ExplainRequest{URL: tt.path, Source: "127.0.0.1"}
		if tt.field != "" {
			q.Fields = []string{tt.field}
		}
		e, err := g.server.Explain(q, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if got := told(e); !strings.Contains(got, want) {
				t.Errorf("%s:\n%s\nwant in it %s", tt.path, got, want)
			}
		}
	}
	for source, want := range map[string]string{
		"": "source: say from which address the client comes, such as 10.1.2.3: " +
			"route far is not for all networks",
		"localhost": `source "localhost": not an address such as 10.1.2.3`,
	} {
		_, err := g.server.Explain(route.ExplainRequest{URL: "http://x/s", Source: source}, config.Standard())
		if err == nil || err.Error() != want {
			t.Errorf("source %q: %v, want %s", source, err, want)
		}
	}
	// Where the address does not decide, it is not asked for.
	for url, want := range map[string]string{"http://x/exact/a": "path: host", "http://x/h": "absent: host"} {
		e, err := g.server.Explain(route.ExplainRequest{URL: url}, config.Standard())
		if err != nil {
			t.Errorf("%s: %v", url, err)
		} else if got := told(e); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nwant in it %s", url, got, want)
		}
	}
}
