package sidecar

import (
	"regexp"
	"strings"
	"testing"
)

// Who asks for HTML by name gets the page, anybody else the list of what there is.
func TestAdminPage(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{})
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, row := range []struct{ accept, kind, body string }{
		{browser, pageKind, "<!doctype html>"},
		{"text/html", pageKind, "<!doctype html>"},
		{"*/*", plainText, "POST /drain"},
		{"text/*", plainText, "POST /drain"},
		{"text/plain", plainText, "POST /drain"},
		{"application/json, text/plain", plainText, "POST /drain"},
		{"", plainText, "POST /drain"},
	} {
		got := f.ask(t, "GET", "/", "Accept: "+row.accept)
		if got.status != 200 || got.header.Get("Content-Type") != row.kind || !strings.Contains(got.body, row.body) ||
			got.header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %d %v %.60q, want %s with %q", row.accept, got.status, got.header, got.body, row.kind,
				row.body)
		}
		if policy := got.header.Get("Content-Security-Policy"); (policy != "") != (row.kind == pageKind) {
			t.Errorf("Accept %q: policy %q", row.accept, policy)
		}
	}
	for _, name := range []string{"index.html", "nothing.js", "%2e%2e", "%2e%2e%2fadmin.go"} {
		if got := f.ask(t, "GET", "/page/"+name); got.status != 404 {
			t.Errorf("/page/%s: %d %q, want none", name, got.status, got.body)
		}
	}
	if got := f.ask(t, "GET", "/", "Accept: "+browser, "Host: attacker.example"); got.status != 403 ||
		!strings.Contains(got.body, "Host") {
		t.Errorf("the page under a foreign name: %d %q, want 403 that names Host", got.status, got.body)
	}
}

// The page takes everything from beside it. What its document names is served, with the right kind, and nothing stands
// in the document that its policy would have to allow.
func TestAdminPageParts(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{})
	page := f.ask(t, "GET", "/", "Accept: text/html")
	policy := page.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy+";", part+";") {
			t.Errorf("policy %q, want %s in it", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q allows too much", policy)
	}
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|style=|\son[a-z]+=|https?://`)
	if m := inline.FindString(page.body); m != "" {
		t.Errorf("the document has %q", m)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:src|href)="(/page/[^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		name := strings.TrimPrefix(m[1], "/page/")
		named[name] = true
		got := f.ask(t, "GET", m[1])
		if got.status != 200 || got.header.Get("Content-Type") != pageParts[name] ||
			got.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %d %v, want %s for this origin only", m[1], got.status, got.header, pageParts[name])
		}
		if name == "icon.svg" {
			continue // a name of XML looks like an address
		}
		// These make HTML of a text, or a program.
		unsafe := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|` +
			`\beval\b|new Function|srcdoc|https?://[a-z]`)
		if m := unsafe.FindString(strings.ReplaceAll(got.body, svgName, "")); m != "" {
			t.Errorf("%s has %q", name, m)
		}
	}
	for name := range pageParts {
		if !named[name] {
			t.Errorf("%s is served, and nothing uses it", name)
		}
	}
}

// svgName is the name of a language, which nobody asks for.
const svgName = "http://www.w3.org/2000/svg"

func TestRouteStatus(t *testing.T) {
	doc := document(t, `
routes:
- {name: plain, match: {path_prefix: /}, cluster: a}
- {name: hosts, match: {hosts: [a.example, b.example, c.example, d.example], path_prefix: /x}, cluster: a}
- name: all
  match: {host: a.example, path: /exact, methods: [GET, PUT], headers: {x-a: "1"}, query: {page: "1"}, source: [10.0.0.0/8]}
  clusters: [{name: a, weight: 95}, {name: b, weight: 5}]
- {name: regex, match: {path_regex: "/<b>.*"}, redirect: {path: /new, status: 308}}
- {name: closed, match: {path_prefix: /closed, source: [10.0.0.0/8, 192.0.2.0/24]}, respond: {status: 503}}
clusters:
- {name: a, endpoints: ["127.0.0.1:1"]}
- {name: b, endpoints: ["127.0.0.1:2"]}
`)
	want := []RouteStatus{
		{"plain", "/", "a"},
		{"hosts", "(a.example or b.example or c.example or 1 more)/x", "a"},
		{"all", "a.example/exact (exact), GET or PUT, header x-a, query page, from 10.0.0.0/8", "a 95, b 5"},
		{"regex", "~ /<b>.*", "redirect 308"},
		{"closed", "/closed, from 2 networks", "respond 503"},
	}
	got := routes(doc)
	if len(got) != len(want) {
		t.Fatalf("%d routes, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("route %q, want %q", got[i], want[i])
		}
	}
}
