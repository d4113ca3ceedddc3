package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// namedBackend is a backend that answers with its name.
func namedBackend(t testing.TB, h2 bool, name string) string {
	return versionBackend(t, h2, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) })
}

// eachPair runs f for the four pairs of versions, on a gateway of the document that document makes. The parameter addr
// gives it the address of an endpoint that answers with its name, and protocol is for its clusters.
func eachPair(t *testing.T, document func(addr func(name string) string, protocol string) string,
	f func(t *testing.T, g *gateway, c *http.Client),
) {
	eachPairOf(t, func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
	}, document, f)
}

// eachPairOf is eachPair with endpoints of which h makes what one does, by its name.
func eachPairOf(t *testing.T, h func(name string) http.HandlerFunc,
	document func(addr func(name string) string, protocol string) string,
	f func(t *testing.T, g *gateway, c *http.Client),
) {
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			version := map[bool]string{false: "h1", true: "h2"}
			t.Run(version[down2]+" to "+version[up2], func(t *testing.T) {
				addr := func(name string) string { return versionBackend(t, up2, h(name)) }
				g := start(t, document(addr, map[bool]string{false: "http1", true: "http2"}[up2]))
				f(t, g, versionClient(t, down2))
			})
		}
	}
}

// send sends a GET request with a field, "" for none, and returns the response's header and body.
func send(t *testing.T, c *http.Client, url, field string) (http.Header, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if name, value, ok := strings.Cut(field, ": "); ok {
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return res.Header, string(body)
}

// What the hash names decides on the endpoint, whatever versions there are.
func TestHashInEachVersion(t *testing.T) {
	document := func(hash string) func(func(string) string, string) string {
		return func(addr func(string) string, protocol string) string {
			return clustered("", fmt.Sprintf("protocol: %s, balance: hash, hash: %s", protocol, hash), addr("a"),
				addr("b"), addr("c"))
		}
	}
	for _, tt := range []struct{ hash, path, field string }{
		{"{header: x-user}", "/", "X-User: user-%d"},
		{"{query: user}", "/?a=b&user=user-%d&user=x", ""},
		{"{cookie: {name: user}}", "/", "Cookie: x=y; user=user-%d"},
	} {
		t.Run(tt.hash, func(t *testing.T) {
			eachPair(t, document(tt.hash), func(t *testing.T, g *gateway, c *http.Client) {
				fill := func(form string, n int) string {
					if strings.Contains(form, "%d") {
						return fmt.Sprintf(form, n)
					}
					return form
				}
				used := map[string]bool{}
				const users = 60 // of whom some go to each endpoint, wherever the table has these
				for user := range users {
					seen := map[string]bool{}
					for range 2 {
						header, body := send(t, c, "http://"+g.addr+fill(tt.path, user), fill(tt.field, user))
						seen[body], used[body] = true, true
						if n := header.Values("Set-Cookie"); len(n) > 0 {
							t.Errorf("a cookie is made: %q", n)
						}
					}
					if len(seen) != 1 {
						t.Errorf("user %d goes to %v", user, seen)
					}
				}
				if len(used) != 3 {
					t.Errorf("%d users go to %v", users, used)
				}
				without := map[string]bool{}
				for range 60 {
					_, body := send(t, c, "http://"+g.addr+"/", "")
					without[body] = true
				}
				if len(without) != 3 {
					t.Errorf("requests that have no key go to %v", without)
				}
			})
		})
	}
	t.Run("{source_ip: true}", func(t *testing.T) {
		eachPair(t, document("{source_ip: true}"), func(t *testing.T, g *gateway, c *http.Client) {
			seen := map[string]bool{}
			for range 20 {
				_, body := send(t, c, "http://"+g.addr, "")
				seen[body] = true
			}
			if len(seen) != 1 {
				t.Errorf("one address goes to %v", seen)
			}
		})
	})
}

var madeCookie = regexp.MustCompile(`^user=[0-9a-f]{16}; Path=/shop; Max-Age=3600; HttpOnly; SameSite=Lax$`)

// A client without the cookie gets one that leads it to the endpoint which has just answered.
func TestHashCookieIsMade(t *testing.T) {
	eachPair(t, func(addr func(string) string, protocol string) string {
		hash := ", balance: hash, hash: {cookie: {name: user, ttl: 1h, path: /shop}}"
		return clustered("", "protocol: "+protocol+hash, addr("a"), addr("b"), addr("c"))
	}, func(t *testing.T, g *gateway, c *http.Client) {
		used := map[string]bool{}
		for n := 0; n < 20 || len(used) < 3 && n < 300; n++ { // each is drawn
			header, first := send(t, c, "http://"+g.addr, "Cookie: other=x; user=")
			cookies := header.Values("Set-Cookie")
			if len(cookies) != 1 || !madeCookie.MatchString(cookies[0]) {
				t.Fatalf("Set-Cookie = %q", cookies)
			}
			value, _, _ := strings.Cut(cookies[0], ";")
			header, again := send(t, c, "http://"+g.addr, "Cookie: other=x; "+value)
			if again != first || len(header.Values("Set-Cookie")) > 0 {
				t.Errorf("after %s comes %s, with %q", first, again, header.Values("Set-Cookie"))
			}
			used[first] = true
		}
		if len(used) != 3 {
			t.Errorf("all clients go to %v", used)
		}
	})
}

// A local reply gives the cookie too, and so does the answer to an upgrade.
func TestHashCookieOfALocalReply(t *testing.T) {
	g := start(t, clustered("", "balance: hash, hash: {cookie: {name: user}}", "127.0.0.1:1"))
	res, _ := g.ask(get("/"))
	if got := res.Header.Get("Set-Cookie"); res.StatusCode != 502 ||
		!strings.HasSuffix(got, "; Path=/; HttpOnly; SameSite=Lax") {
		t.Errorf("answer = %d, Set-Cookie %q", res.StatusCode, got)
	}
}

func TestHashExplained(t *testing.T) {
	g := start(t, clustered("", "balance: hash, hash: {header: x-user}", "127.0.0.1:9001", "127.0.0.1:9002",
		"127.0.0.1:9003"))
	seen := map[string]bool{}
	for user := range 20 {
		q := route.ExplainRequest{URL: "http://a/", Fields: []string{fmt.Sprintf("X-User: %d", user)}}
		e, err := g.server.Explain(q, config.Standard())
		if err != nil {
			t.Fatal(err)
		}
		c := e.Clusters[0]
		seen[c.HashTo] = true
		if c.HashBy != "header x-user" || c.HashTo == "" {
			t.Errorf("explained as by %q to %q", c.HashBy, c.HashTo)
		}
	}
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://a/"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	if c := e.Clusters[0]; len(seen) != 3 || c.HashTo != "" {
		t.Errorf("20 users go to %v; without a user it is %q", seen, c.HashTo)
	}
}
