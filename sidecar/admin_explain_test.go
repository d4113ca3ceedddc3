package sidecar

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

func TestAdminExplain(t *testing.T) {
	var asked route.ExplainRequest
	f := startAdmin(t, View{Explain: func(q route.ExplainRequest) (*route.Explanation, error) {
		if asked = q; q.Method == "G T" {
			return nil, errors.New(`method "G T": not a token`)
		}
		return &route.Explanation{Host: "a", Others: []route.RouteLost{}}, nil
	}}, AdminOptions{})

	got := f.ask(t, "GET",
		"/explain?method=PUT&url=http://a/b%3Fx=1%26y=%252F&header=X-A:+1&header=X-B:+a%26b&listener=web&source=::1")
	want := route.ExplainRequest{Method: "PUT", URL: "http://a/b?x=1&y=%2F", Fields: []string{"X-A: 1", "X-B: a&b"},
		Listener: "web", Source: "::1"}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(got.body), &e); err != nil {
		t.Fatalf("%v in %s", err, got.body)
	}
	if route, there := e["route"]; got.status != 200 || got.header.Get("Content-Type") != jsonText || !there ||
		route != nil || e["host"] != "a" {
		t.Errorf("without a route: %d %s, want 200 and a route that is null", got.status, got.body)
	}
	for _, row := range []struct {
		query string
		want  string
	}{
		{"", "url: is missing\n"},
		{"?method=GET", "url: is missing\n"},
		{"?url=http://a/&method=G%20T", "method \"G T\": not a token\n"},
		{"?url=http://a/&url=http://b/", "url: is there 2 times\n"},
		{"?url=http://a/?x=1&y=2",
			"parameter \"y\": is none of method, url, header, listener, source, identity (an & in the url is " +
				"written %26)\n"},
		{"?url=http://a/%zz", "query: invalid URL escape \"%zz\"\n"},
	} {
		if got := f.ask(t, "GET", "/explain"+row.query); got.status != 400 || got.body != row.want {
			t.Errorf("/explain%s: %d %q, want 400 %q", row.query, got.status, got.body, row.want)
		}
	}
	if got := f.ask(t, "POST", "/explain?url=http://a/"); got.status != 405 {
		t.Errorf("POST /explain: %d, want 405", got.status)
	}
}

// Routes are not for web pages to read, as nothing of the port is.
func TestAdminExplainGuard(t *testing.T) {
	f := startAdmin(t, View{Explain: func(route.ExplainRequest) (*route.Explanation, error) {
		t.Error("the question came through")
		return nil, errNoRevision
	}}, AdminOptions{})
	for _, field := range []string{"Origin: http://localhost", "Origin: null", "Host: example.com",
		"Host: 10.0.0.1:9901"} {
		if got := f.ask(t, "GET", "/explain?url=http://a/", field); got.status != 403 {
			t.Errorf("%s: %d %q, want 403", field, got.status, got.body)
		}
	}
}
