package route

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
)

// A question is refused in one sentence that begins with what is wrong with it.
func TestExplainRequestRefuses(t *testing.T) {
	lim := http1.DefaultLimits()
	for _, row := range []struct {
		q    ExplainRequest
		want string
	}{
		{ExplainRequest{Method: "G T", URL: "http://a/"}, `method "G T": not a token`},
		{ExplainRequest{Method: "GET /\r\n", URL: "http://a/"}, `method "GET /\r\n": not a token`},
		{ExplainRequest{Method: "CONNECT", URL: "http://a/"}, `method "CONNECT": is refused with 405 before any route`},
		{ExplainRequest{}, `url "": begins with neither http:// nor https://`},
		{ExplainRequest{URL: "/orders"}, `url "/orders": begins with neither http:// nor https://`},
		{ExplainRequest{URL: "ftp://a/"}, `url "ftp://a/": begins with neither http:// nor https://`},
		{ExplainRequest{URL: "http:///x"}, `url "http:///x": "" is no host`},
		{ExplainRequest{URL: "http://u@a/"}, `url "http://u@a/": "u@a" is no host`},
		{ExplainRequest{URL: "http://a:port/"}, `url "http://a:port/": "a:port" is no host`},
		{ExplainRequest{URL: "http://a/b c"}, `url "http://a/b c": has ' ', which no request has unencoded`},
		{ExplainRequest{URL: "http://a/\r\nX: 1"}, `url "http://a/\r\nX: 1": has '\r', which no request has unencoded`},
		{ExplainRequest{URL: "http://a/#top"}, `url "http://a/#top": has '#', which no request has unencoded`},
		{ExplainRequest{URL: "http://a/" + strings.Repeat("x", 20_000)}, "url: request line is too long"},
		{ExplainRequest{URL: "http://a/", Fields: []string{"x-a"}}, `header "x-a": is not of the form Name: value`},
		{ExplainRequest{URL: "http://a/", Fields: []string{"x a: 1"}}, `header "x a: 1": "x a" is no name of a field`},
		{ExplainRequest{URL: "http://a/", Fields: []string{": 1"}}, `header ": 1": "" is no name of a field`},
		{ExplainRequest{URL: "http://a/", Fields: []string{"x: 1\r\ny: 2"}},
			`header "x: 1\r\ny: 2": has a control byte`},
		{ExplainRequest{URL: "http://a/", Fields: []string{"Host: a b"}}, `header "Host: a b": "a b" is no host`},
		{ExplainRequest{URL: "http://a/", Fields: []string{"Host: a", "host: b"}}, `header "host: b": is there twice`},
		{ExplainRequest{URL: "http://a/", Fields: []string{"Content-Length: x"}}, "header: malformed Content-Length"},
		{ExplainRequest{URL: "http://a/", Fields: []string{"Transfer-Encoding: zip, chunked"}},
			"header: unknown transfer coding"},
	} {
		if _, err := row.q.head(&lim); err == nil || err.Error() != row.want {
			t.Errorf("%.100q: %v, want %s", row.q, err, row.want)
		}
	}
}

// What is taken are the bytes that a client would send.
func TestExplainRequestHead(t *testing.T) {
	lim := http1.DefaultLimits()
	for _, row := range []struct {
		q    ExplainRequest
		want string // method authority path query
	}{
		{ExplainRequest{URL: "http://A.example.com:80"}, "GET A.example.com:80 / "},
		{ExplainRequest{Method: "patch", URL: "HTTPS://a?x=1"}, "patch a / x=1"},
		{ExplainRequest{URL: "http://[::1]:80/%61/../b%2F?q=/"}, "GET [::1]:80 /%61/../b%2F q=/"},
		{ExplainRequest{URL: "http://127.0.0.1:8080/ü", Fields: []string{"hOst:shop.example.com "}},
			"GET shop.example.com /ü "},
	} {
		h, err := row.q.head(&lim)
		if err != nil {
			t.Errorf("%+v: %v", row.q, err)
			continue
		}
		if got := string(h.Method) + " " + string(h.Authority) + " " + string(h.Path) + " " +
			string(h.Query); got != row.want {
			t.Errorf("%+v = %s, want %s", row.q, got, row.want)
		}
	}
}
