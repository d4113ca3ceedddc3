package proxy

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
)

// A question is refused in one sentence that begins with what is wrong with it.
func TestQuestionRefuses(t *testing.T) {
	lim := http1.DefaultLimits()
	for _, row := range []struct {
		q    Question
		want string
	}{
		{Question{Method: "G T", URL: "http://a/"}, `method "G T": not a token`},
		{Question{Method: "GET /\r\n", URL: "http://a/"}, `method "GET /\r\n": not a token`},
		{Question{Method: "CONNECT", URL: "http://a/"}, `method "CONNECT": is refused with 405 before any route`},
		{Question{}, `url "": begins with neither http:// nor https://`},
		{Question{URL: "/orders"}, `url "/orders": begins with neither http:// nor https://`},
		{Question{URL: "ftp://a/"}, `url "ftp://a/": begins with neither http:// nor https://`},
		{Question{URL: "http:///x"}, `url "http:///x": "" is no host`},
		{Question{URL: "http://u@a/"}, `url "http://u@a/": "u@a" is no host`},
		{Question{URL: "http://a:port/"}, `url "http://a:port/": "a:port" is no host`},
		{Question{URL: "http://a/b c"}, `url "http://a/b c": has ' ', which no request has unencoded`},
		{Question{URL: "http://a/\r\nX: 1"}, `url "http://a/\r\nX: 1": has '\r', which no request has unencoded`},
		{Question{URL: "http://a/#top"}, `url "http://a/#top": has '#', which no request has unencoded`},
		{Question{URL: "http://a/" + strings.Repeat("x", 20_000)}, "url: request line is too long"},
		{Question{URL: "http://a/", Fields: []string{"x-a"}}, `header "x-a": is not of the form Name: value`},
		{Question{URL: "http://a/", Fields: []string{"x a: 1"}}, `header "x a: 1": "x a" is no name of a field`},
		{Question{URL: "http://a/", Fields: []string{": 1"}}, `header ": 1": "" is no name of a field`},
		{Question{URL: "http://a/", Fields: []string{"x: 1\r\ny: 2"}}, `header "x: 1\r\ny: 2": has a control byte`},
		{Question{URL: "http://a/", Fields: []string{"Host: a b"}}, `header "Host: a b": "a b" is no host`},
		{Question{URL: "http://a/", Fields: []string{"Host: a", "host: b"}}, `header "host: b": is there twice`},
		{Question{URL: "http://a/", Fields: []string{"Content-Length: x"}}, "header: malformed Content-Length"},
		{Question{URL: "http://a/", Fields: []string{"Transfer-Encoding: zip, chunked"}}, "header: unknown transfer coding"},
	} {
		if _, err := row.q.head(&lim); err == nil || err.Error() != row.want {
			t.Errorf("%.100q: %v, want %s", row.q, err, row.want)
		}
	}
}

// What is taken are the bytes that a client would send.
func TestQuestionHead(t *testing.T) {
	lim := http1.DefaultLimits()
	for _, row := range []struct {
		q    Question
		want string // method authority path query
	}{
		{Question{URL: "http://A.example.com:80"}, "GET A.example.com:80 / "},
		{Question{Method: "patch", URL: "HTTPS://a?x=1"}, "patch a / x=1"},
		{Question{URL: "http://[::1]:80/%61/../b%2F?q=/"}, "GET [::1]:80 /%61/../b%2F q=/"},
		{Question{URL: "http://127.0.0.1:8080/ü", Fields: []string{"hOst:shop.example.com "}}, "GET shop.example.com /ü "},
	} {
		h, err := row.q.head(&lim)
		if err != nil {
			t.Errorf("%+v: %v", row.q, err)
			continue
		}
		if got := string(h.Method) + " " + string(h.Authority) + " " + string(h.Path) + " " + string(h.Query); got != row.want {
			t.Errorf("%+v = %s, want %s", row.q, got, row.want)
		}
	}
}
