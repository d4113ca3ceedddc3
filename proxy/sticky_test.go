package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// split is a document whose route has these clusters, and may have more keys. Its clusters one, two, old and other have
// an endpoint each, gone has none.
func split(addr func(string) string, protocol, clusters, route string) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "routes:\n- {name: all, match: {path_prefix: /}, clusters: [%s]%s}\n", clusters, route)
	b.WriteString("- {name: other, match: {path_prefix: /other}, cluster: other}\nclusters:\n")
	for _, name := range []string{"one", "two", "old", "other"} {
		fmt.Fprintf(b, "- {name: %s, endpoints: [%q], protocol: %s}\n", name, addr(name), protocol)
	}
	b.WriteString("- {name: gone, endpoints: [\"127.0.0.1:1\"]}\n")
	return b.String()
}

// stayCookie is the cookie with which a client stays at a cluster.
func stayCookie(name string) string { return fmt.Sprintf("canary=%016x", cluster.Hash([]byte(name))) }

// A client stays at the cluster for which its first request was drawn, whatever carries it.
func TestSticky(t *testing.T) {
	const sticky = ", sticky: {cookie: {name: canary, ttl: 1h, path: /shop}}"
	set := regexp.MustCompile(`^(canary=[0-9a-f]{16}); Path=/shop; Max-Age=3600; HttpOnly; SameSite=Lax$`)
	for _, way := range []struct {
		name                 string
		down2, up2           bool
		retries, contentType string
	}{
		{"h1 to h1", false, false, "", ""},
		{"h1 to h2", false, true, "", ""},
		{"h2 to h1", true, false, "", ""},
		{"h2 to h2, relayed", true, true, "", ""},
		{"h2 to h2, with a goroutine", true, true, `, retries: {on: ["503"]}`, ""},
		{"gRPC, relayed", true, true, "", "application/grpc"},
		{"gRPC, with a goroutine", true, true, `, retries: {on: ["503"]}`, "application/grpc"},
	} {
		t.Run(way.name, func(t *testing.T) {
			backends := map[string]string{}
			addr := func(name string) string {
				if backends[name] == "" {
					backends[name] = namedBackend(t, way.up2, name)
				}
				return backends[name]
			}
			protocol := map[bool]string{false: "http1", true: "http2"}[way.up2]
			document := func(clusters string) string { return split(addr, protocol, clusters, sticky+way.retries) }
			g := start(t, document("{name: one}, {name: two}, {name: old, weight: 0}"))
			c := versionClient(t, way.down2)
			ask := func(cookie string) (made []string, body string) {
				t.Helper()
				req, err := http.NewRequest("GET", "http://"+g.addr+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Cookie", cookie)
				if way.contentType != "" {
					req.Header.Set("Content-Type", way.contentType)
				}
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != 200 {
					t.Fatalf("answered with %d %q, %v", res.StatusCode, text, err)
				}
				return res.Header.Values("Set-Cookie"), string(text)
			}
			// stays: the client with these cookies goes to want, and gets none.
			stays := func(cookie, want string) {
				t.Helper()
				if made, body := ask(cookie); body != want || len(made) > 0 {
					t.Errorf("%q leads to %s with the cookies %q, want %s with none", cookie, body, made, want)
				}
			}
			// drawn: the client with these cookies gets one, that of the cluster which has answered.
			drawn := func(cookie string) string {
				t.Helper()
				made, body := ask(cookie)
				if len(made) != 1 || !set.MatchString(made[0]) ||
					set.FindStringSubmatch(made[0])[1] != stayCookie(body) {
					t.Fatalf("%q leads to %s with the cookies %q, want %s", cookie, body, made, stayCookie(body))
				}
				return body
			}

			used := map[string]bool{}
			for range 40 {
				first := drawn("other=x; canary=")
				stays("other=x; "+stayCookie(first), first)
				used[first] = true
			}
			if len(used) != 2 || used["old"] {
				t.Errorf("40 clients go to %v, want one and two", used)
			}
			stays(stayCookie("old"), "old") // the weight of 0 takes no new clients
			stays(stayCookie("gone")+"; "+stayCookie("two"), "two")
			for _, cookie := range []string{
				stayCookie("other"), "canary=other", "canary=one", "canary=0000000000000000", stayCookie("one") + "0",
				stayCookie("one")[:20], strings.Replace(stayCookie("one"), "canary", "Canary", 1), "xcanary=1",
				"canary=" + strings.ToUpper(stayCookie("one")[len("canary="):]) + "G",
			} {
				if body := drawn(cookie); body != "one" && body != "two" {
					t.Errorf("%q leads to %s", cookie, body)
				}
			}

			g.apply(document("{name: one, weight: 0}, {name: old}"))
			stays(stayCookie("one"), "one")
			if body := drawn(stayCookie("two")); body != "old" { // two is out
				t.Errorf("a client of a cluster that is out goes to %s, want old", body)
			}
		})
	}
}

// A client does not stay at a cluster that has not answered, so that a broken one keeps nobody.
func TestStickyNotWithLocalReplies(t *testing.T) {
	const sticky = ", sticky: {cookie: {name: canary}}"
	for _, h2 := range []bool{false, true} {
		addr := func(name string) string { return namedBackend(t, false, name) }
		g := start(t, split(addr, "http1", "{name: gone}, {name: one}", sticky))
		c := versionClient(t, h2)
		failed := 0
		for range 40 {
			res, err := c.Get("http://" + g.addr)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if made := len(res.Header.Values("Set-Cookie")); (made > 0) != (res.StatusCode == 200) {
				t.Errorf("HTTP/2 %v: %d with %d cookies", h2, res.StatusCode, made)
			}
			if res.StatusCode != 200 {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("HTTP/2 %v: no request went to the cluster that does not answer", h2)
		}
	}
}

// Where another cluster stands in, the client stays at the one for which it was drawn.
func TestStickyWithFailover(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		spare := namedBackend(t, h2, "spare")
		protocol := map[bool]string{false: "http1", true: "http2"}[h2]
		g := start(t, fmt.Sprintf(`
routes:
- {name: all, match: {path_prefix: /}, clusters: [{name: first}], sticky: {cookie: {name: canary}}}
clusters:
- {name: first, consul: {service: first}, failover: [spare], protocol: %[1]s}
- {name: spare, endpoints: [%[2]q], protocol: %[1]s, balance: hash, hash: {cookie: {name: user}}}
`, protocol, spare))
		c := versionClient(t, h2)
		g.Says("first")
		for _, known := range []bool{false, true} {
			field := ""
			if known {
				field = "Cookie: " + stayCookie("first")
			}
			header, body := send(t, c, "http://"+g.addr, field)
			made := strings.Join(header.Values("Set-Cookie"), " ")
			if body != "spare" || strings.Contains(made, stayCookie("first")) == known ||
				!strings.Contains(made, "user=") {
				t.Errorf("HTTP/2 %v: %s answers with the cookies %q", h2, body, made)
			}
		}
		g.Says("first", namedBackend(t, h2, "first"))
		if header, body := send(t, c, "http://"+g.addr, "Cookie: "+stayCookie("first")); body != "first" ||
			len(header.Values("Set-Cookie")) > 0 {
			t.Errorf("HTTP/2 %v: the client is at %s with %v", h2, body, header)
		}
	}
}

func TestStickyExplained(t *testing.T) {
	addr := func(string) string { return "127.0.0.1:1" }
	g := start(t, split(addr, "http1", "{name: one, weight: 3}, {name: two}", ", sticky: {cookie: {name: canary}}"))
	for _, tt := range []struct{ cookie, want string }{
		{"", ""}, {stayCookie("two"), "two"}, {stayCookie("old"), ""},
		{stayCookie("old") + "; " + stayCookie("one"), "one"},
	} {
		e, err := g.server.Explain(
			route.ExplainRequest{URL: "http://a/", Fields: []string{"Cookie: x=y; " + tt.cookie}}, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Clusters {
			if c.StickyBy != stayCookie(c.Name) || c.Stays != (c.Name == tt.want) {
				t.Errorf("%q: cluster %s is explained as by %q, stays %v", tt.cookie, c.Name, c.StickyBy, c.Stays)
			}
		}
	}
}
