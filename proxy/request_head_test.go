package proxy_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// trusting believes what peers of these networks say about the client.
func trusting(networks ...string) func(*proxy.Options) {
	return func(o *proxy.Options) {
		for _, n := range networks {
			o.Trusted = append(o.Trusted, netip.MustParsePrefix(n))
		}
	}
}

const forwarded = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n"

func TestRequestFieldsGoUpstream(t *testing.T) {
	g := start(t, to(echo(t)))
	for _, tt := range []struct{ name, fields, want string }{
		{"in their order, case and number", "HOST: a\r\nx-b:1\r\nX-A:   two \t\r\ncookie: a=1\r\nX-b: 3\r\nCookie: " +
			"b=2\r\nX-Request-ID: r\r\n",
			"HOST: a\r\nx-b:1\r\nX-A:   two \t\r\ncookie: a=1\r\nX-b: 3\r\nCookie: b=2\r\nX-Request-ID: r\r\n" +
				forwarded},
		{"with bytes of any kind in their values",
			"Host: a\r\nX-Request-Id: r\r\nX-U: \xff\x80 \xe2\x82\xac\r\nX-Empty:\r\n",
			"Host: a\r\nX-Request-Id: r\r\nX-U: \xff\x80 \xe2\x82\xac\r\nX-Empty:\r\n" + forwarded},
		{"but for those of one connection", "Host: a\r\nX-Request-Id: r\r\nKeep-Alive: 5\r\nProxy-Connection: " +
			"x\r\nProxy-Authenticate: x\r\nProxy-Authorization: x\r\nTE: gzip\r\nHTTP2-Settings: x\r\n" +
			"Proxy-Foo: kept\r\n",
			"Host: a\r\nX-Request-Id: r\r\nProxy-Foo: kept\r\n" + forwarded},
		{"but for those that Connection names",
			"Host: a\r\nConnection: X-One , x-TWO\r\nX-Request-Id: r\r\nx-one: 1\r\nX-Two: 2\r\nX-Three: " +
				"3\r\nconnection: x-three, keep-alive\r\nX-Two: 2\r\nX-Four: 4\r\n",
			"Host: a\r\nX-Request-Id: r\r\nX-Four: 4\r\n" + forwarded},
		{"with TE: trailers on its own connection",
			"Host: a\r\nX-Request-Id: r\r\nTE: gzip, trailers\r\nConnection: TE\r\n",
			"Host: a\r\nX-Request-Id: r\r\n" + forwarded + "Connection: TE\r\nTE: trailers\r\n"},
		{"with traceparent and the like", "Host: a\r\nX-Request-Id: r\r\ntraceparent: " +
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\nbaggage: c=d\r\n",
			"Host: a\r\nX-Request-Id: r\r\ntraceparent: " +
				"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\nbaggage: c=d\r\n" +
				forwarded},
		{"without what a stranger says of the client",
			"Host: a\r\nX-Request-Id: r\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: " +
				"2.2.2.2\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Client-Cert: x\r\n",
			"Host: a\r\nX-Request-Id: r\r\n" + forwarded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, head := g.ask("GET / HTTP/1.1\r\n" + tt.fields + "\r\n")
			if want := "GET / HTTP/1.1\r\n" + tt.want + "\r\n"; head != want {
				t.Errorf("upstream got\n%q, want\n%q", head, want)
			}
		})
	}
}

func TestTrustedProxyIsBelieved(t *testing.T) {
	g := start(t, to(echo(t)), trusting("127.0.0.0/8"))
	for _, tt := range []struct{ name, fields, want string }{
		{"one field", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\n",
			"X-Forwarded-For: 1.1.1.1, 127.0.0.1\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\n"},
		{"several fields", "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Other: x\r\nx-forwarded-for: " +
			"3.3.3.3\r\nX-Forwarded-For:\r\n",
			"X-Other: x\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1\r\nX-Forwarded-Host: " +
				"a\r\nX-Forwarded-Proto: http\r\n"},
		{"no field", "", forwarded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, head := g.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\r\n" + tt.fields + "\r\n")
			if want := "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\r\n" + tt.want + "\r\n"; head != want {
				t.Errorf("upstream got\n%q, want\n%q", head, want)
			}
		})
	}
}

func TestRequestIDIsMade(t *testing.T) {
	g := start(t, to(echo(t)))
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 3 {
		_, head := g.ask(get("/"))
		id := field(head, "X-Request-Id")
		if !uuid.MatchString(id) || seen[id] {
			t.Errorf("request id %q, want a fresh UUID", id)
		}
		seen[id] = true
	}
}

func TestAnswerFieldsGoToTheClient(t *testing.T) {
	answer := "HTTP/1.1 200 Fine\r\nServer: x\r\nset-cookie: a=1\r\nConnection: X-Hop, keep-alive\r\nSet-Cookie: " +
		"b=2\r\nX-Hop: 1\r\n" +
		"Keep-Alive: timeout=9\r\nProxy-Authenticate: x\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\nX-Bytes: " +
		"\xff\r\nContent-Length: 2\r\n\r\nok"
	g := start(t, to(replies(t, answer)))
	c := g.dial()
	c.send(get("/"))
	c.expect("HTTP/1.1 200 Fine\r\nServer: x\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-Bytes: " +
		"\xff\r\nContent-Length: 2\r\n\r\nok")
}

// The bytes of the path are the client's business and the application's, not ours.
func TestPathGoesUpstreamUntouched(t *testing.T) {
	g := start(t, to(echo(t)))
	for _, target := range []string{
		"/", "//", "///a//b/", "/a/./b", "/a/../b", "/a%2Fb", "/a%2fb", "/%61", "/%7E~", "/a;b=c/d;e", "/a\\b",
		"/\xc3\xa9\xff", "/a%00b",
		"/a?b?c=d&%zz", "/a?//../..", "/a|b{c}^`\"<>", "/.", "/./", "/...", "/a/..", "/.well-known/x", "/@:!$&'()*+,;=",
	} {
		_, head := g.ask("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if got, _, _ := strings.Cut(strings.TrimPrefix(head, "GET "), " HTTP/1.1"); got != target {
			t.Errorf("%q went upstream as %q", target, got)
		}
	}
}

func TestPrefixRewrite(t *testing.T) {
	for _, tt := range []struct{ prefix, rewrite, target, want string }{
		{"/api", "/", "/api/x", "/x"},
		{"/api", "/", "/api", "/"},
		{"/api", "/", "/api/", "/"},
		{"/api", "/", "/api?q", "/?q"},
		{"/api", "/v1", "/api/x/y?q=1", "/v1/x/y?q=1"},
		{"/api", "/v1", "/api", "/v1"},
		{"/api", "/v1", "/api/", "/v1/"},
		{"/api/", "/v1/", "/api/x", "/v1/x"},
		{"/", "/v1", "/x", "/v1/x"},
		{"/", "/v1", "/", "/v1/"},
		{"/", "/", "/x", "/x"},
		{"/api", "/v1", "/api//x", "/v1//x"},
		{"/api", "/v1", "/api/a%2Fb%61;c", "/v1/a%2Fb%61;c"}, // the rest stays as it came
		{"/api", "/v1", "/api/a/../b", "/v1/a/../b"},         // also where it has dots, as long as they stay below
		{"/api", "/v1", "/%61pi/%62", "/v1/b"},               // does not begin with the prefix: the normalised path
		{"/api", "/v1", "/x/../api/y", "/v1/y"},
		{"/api", "/v1", "/./api/y", "/v1/y"},
		{"/api", "/v1", "/api/../api/y", "/v1/y"}, // begins with it, and would lead out of /v1
		{"/api", "/v1", "/api/%2e%2e/api/y", "/v1/y"},
		{"/api", "/v1", "/api/x/../../api/y", "/v1/y"},
		{"/api", "/v1", "http://a/api/y?q", "/v1/y?q"},
		{"/", "/v1", "http://a", "/v1"},
	} {
		t.Run(tt.prefix+" to "+tt.rewrite+" of "+strings.ReplaceAll(tt.target, "/", "|"), func(t *testing.T) {
			g := start(t, "routes:\n- {name: r, match: {path_prefix: \""+tt.prefix+"\"}, prefix_rewrite: \""+tt.rewrite+
				"\", cluster: app}\n"+
				"clusters:\n- {name: app, endpoints: [\""+echo(t)+"\"]}\n")
			_, head := g.ask("GET " + tt.target + " HTTP/1.1\r\nHost: a\r\n\r\n")
			if got, _, _ := strings.Cut(strings.TrimPrefix(head, "GET "), " HTTP/1.1"); got != tt.want {
				t.Errorf("went upstream as %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("leaves OPTIONS * alone", func(t *testing.T) {
		g := start(t, routed(echo(t), "prefix_rewrite: /v1"))
		if _, head := g.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(head,
			"OPTIONS * HTTP/1.1\r\n") {
			t.Errorf("went upstream as %q", head)
		}
	})
}

func TestHostGoesUpstream(t *testing.T) {
	up := echo(t)
	for _, tt := range []struct{ name, options, request, want string }{
		{"preserved", "", "GET / HTTP/1.1\r\nX: 1\r\nhost: A.example:81\r\n\r\n",
			"GET / HTTP/1.1\r\nX: 1\r\nhost: A.example:81\r\n"},
		{"of the endpoint", "preserve_host: false", "GET / HTTP/1.1\r\nX: 1\r\nhost: a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: " + up + "\r\nX: 1\r\n"},
		{"rewritten", "host_rewrite: \"b:80\"", "GET / HTTP/1.1\r\nX: 1\r\nhost: a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: b:80\r\nX: 1\r\n"},
		{"rewritten wins", "host_rewrite: b, preserve_host: false", "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: b\r\n"},
		{"of an absolute target", "", "GET http://A:80/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a:80\r\n"},
		{"of an absolute target without Host", "", "GET http://b/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n"},
		{"of nobody", "", "GET / HTTP/1.0\r\nX: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: " + up + "\r\nX: 1\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, routed(up, tt.options))
			if _, head := g.ask(tt.request); !strings.HasPrefix(head, tt.want) {
				t.Errorf("upstream got %q, want %q", head, tt.want)
			}
		})
	}
}
