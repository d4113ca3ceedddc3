package route

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// location is where a route for the prefix with redirect r sends a request; ok: it is one that the route takes.
func location(t *testing.T, prefix string, r config.Redirect, host, target string, c *Client, fields ...string,
) (to string, ok bool) {
	t.Helper()
	r.Status = 308
	cfg := &config.Route{Match: config.Match{PathPrefix: prefix}, Redirect: r}
	rt, err := compileMatch(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rt.reply = ownReply(cfg)
	c.Listener = &Listener{Name: "web"}
	h := message.Head{Method: []byte("GET"), Authority: []byte(host)}
	if path, query, has := strings.Cut(target, "?"); has {
		h.Path, h.Query = []byte(path), []byte(query)
	} else {
		h.Path = []byte(path)
	}
	for i := 0; i < len(fields); i += 2 {
		h.Append([]byte(fields[i]), []byte(fields[i+1]))
	}
	var d Decision
	if reply := (&Table{router: newRouter([]*Route{rt})}).Decide(&d, &h, c, 1, new(Workspace)); reply != rt.reply {
		return "", false
	}
	return string(d.AppendLocation(nil, &h, c)), true
}

func TestLocation(t *testing.T) {
	https, trusted := telemetry.SchemeHTTPS, func() *Client { return &Client{Trusted: true} }
	type redirect = config.Redirect
	for _, tt := range []struct {
		redirect     redirect
		host, target string
		client       *Client
		fields       []string
		want         string
	}{
		{redirect{Scheme: "https"}, "a.test", "/old/x?y=1", nil, nil, "https://a.test/old/x?y=1"},
		{redirect{Scheme: "https"}, "a.test:8080", "/old", nil, nil, "https://a.test/old"},
		{redirect{Scheme: "https", Port: 8443}, "A.test:8080", "/old?", nil, nil, "https://A.test:8443/old?"},
		{redirect{Scheme: "https", Port: 443}, "[::1]:80", "/old", nil, nil, "https://[::1]/old"},
		{redirect{Scheme: "http"}, "a:8443", "/old", &Client{Scheme: https}, nil, "http://a/old"},
		{redirect{Scheme: "https"}, "a:8443", "/old", &Client{Scheme: https}, nil, "https://a:8443/old"},
		{redirect{Host: "b.test"}, "a.test:8080", "/old", nil, nil, "http://b.test:8080/old"},
		{redirect{Host: "b.test", Port: 80}, "a.test:8080", "/old", nil, nil, "http://b.test/old"},
		{redirect{Host: "b.test"}, "a.test", "/old", &Client{Scheme: https}, nil, "https://b.test/old"},
		{redirect{Port: 81}, "a.test", "/old", nil, nil, "http://a.test:81/old"},
		{redirect{Path: "/new"}, "a.test", "/old/x?y", nil, nil, "/new?y"},
		{redirect{Path: "/new", DropQuery: true}, "a.test", "/old/x?y", nil, nil, "/new"},
		{redirect{PrefixRewrite: "/new"}, "a.test", "/old/%41/x?y", nil, nil, "/new/%41/x?y"},
		{redirect{PrefixRewrite: "/new"}, "a.test", "/%6fld/%41", nil, nil, "/new/A"},
		{redirect{PrefixRewrite: "/"}, "a.test", "/old", nil, nil, "/"},
		{redirect{DropQuery: true}, "a.test", "/old?y", nil, nil, "/old"},
		// as a trusted proxy tells it, or not
		{redirect{Host: "b"}, "a", "/old", trusted(), []string{"X-Forwarded-Proto", "HTTPS"}, "https://b/old"},
		{redirect{Host: "b"}, "a", "/old", trusted(), []string{"X-Forwarded-Proto", "javascript"}, "http://b/old"},
		{redirect{Host: "b"}, "a", "/old", nil, []string{"X-Forwarded-Proto", "https"}, "http://b/old"},
		{redirect{Scheme: "https"}, "a:80", "/old", trusted(), []string{"X-Forwarded-Proto", "https"},
			"https://a:80/old"},
		// without a host (HTTP/1.0)
		{redirect{Scheme: "https"}, "", "/old", nil, nil, "/old"},
		{redirect{Host: "b"}, "", "/old", nil, nil, "http://b/old"},
		// no other host
		{redirect{PrefixRewrite: "/"}, "a", "/old//evil.test/x", nil, nil, "/evil.test/x"},
		{redirect{PrefixRewrite: "/"}, "a", `/old/\evil.test//x`, nil, nil, "/evil.test//x"},
		{redirect{PrefixRewrite: "/"}, "a", `/old/\/\/`, nil, nil, "/"},
		{redirect{PrefixRewrite: "/", Scheme: "https"}, "a", "/old//evil.test", nil, nil, "https://a//evil.test"},
	} {
		c := tt.client
		if c == nil {
			c = new(Client)
		}
		got, ok := location(t, "/old", tt.redirect, tt.host, tt.target, c, tt.fields...)
		if !ok || got != tt.want {
			t.Errorf("%+v of %s%s %v: %q (taken: %v), want %q", tt.redirect, tt.host, tt.target, tt.fields, got, ok,
				tt.want)
		}
	}
	for host, want := range map[string]string{"a": "https://a/", "": "/"} { // OPTIONS *
		if got, ok := location(t, "/", config.Redirect{Scheme: "https"}, host, "", new(Client)); !ok || got != want {
			t.Errorf("without a path: %q, want %q", got, want)
		}
	}
}

func TestLocationDoesNotAllocate(t *testing.T) {
	cfg := &config.Route{Redirect: config.Redirect{Scheme: schemeHTTPS, PrefixRewrite: "/new", Status: 308},
		Match: config.Match{PathPrefix: "/old"}}
	rt, err := compileMatch(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := Decision{Route: rt, normal: []byte("/old/a")}
	h := message.Head{Authority: []byte("a.test:80"), Path: []byte("/%6fld/a"), Query: []byte("x=1")}
	room := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { d.AppendLocation(room, &h, new(Client)) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Whatever the path is, a redirect leads to no other host than the one that came, or that the route names.
func FuzzLocation(f *testing.F) {
	f.Add("//evil.test/x", "a.test", "", "", "")
	f.Add("/old//evil.test/x?y", "a.test:80", "", "/", "")
	f.Add(`/old/\evil.test`, "a.test", "", "/", "")
	f.Add("/old/%2F/evil", "[::1]:1", "https", "/new", "")
	f.Add("/old/..//evil.test", "", "https", "/", "b.test")
	f.Fuzz(func(t *testing.T, target, host, scheme, rewrite, to string) {
		if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || r == '#'
		}) || host != "" && !message.ValidHost([]byte(host)) {
			return // refused before
		}
		r := config.Redirect{}
		if scheme != "" {
			r.Scheme = schemeHTTPS
		}
		if to != "" {
			r.Host = "b.test"
		}
		prefix := "/"
		if rewrite != "" {
			prefix, r.PrefixRewrite = "/old", "/"
		}
		for _, prefix := range []string{prefix, "/"} {
			got, ok := location(t, prefix, r, host, target, new(Client))
			if !ok {
				continue
			}
			if strings.HasPrefix(got, "//") || strings.HasPrefix(got, `/\`) {
				t.Fatalf("%q of %q leads to another host", got, target)
			}
			origin := ""
			switch {
			case to != "":
				origin = "b.test"
			case scheme != "":
				origin = strings.TrimRight(strings.Trim(string(hostname([]byte(host), nil)), "[]"), ".")
			}
			u, err := url.Parse(strings.ReplaceAll(strings.ReplaceAll(got, "%", "%25"), `\`, "/"))
			if err == nil && !strings.EqualFold(strings.TrimRight(u.Hostname(), "."), origin) {
				t.Fatalf("%q of %q at %q leads to %q, want %q", got, target, host, u.Hostname(), origin)
			}
		}
	})
}
