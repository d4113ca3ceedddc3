package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// repeating is a document whose routes repeat what the client has sent in each place where a document can have it.
const repeating = `
routes:
- name: edit
  match: {path_prefix: /edit}
  cluster: app
  regex_rewrite: {pattern: "^/edit/(.*)", substitution: "/to/$1"}
  request_headers: {set: {x-said: "${method} ${host} ${path} ${request_id} ${trace_id} ${scheme} ${remote_ip}"}}
  response_headers: {set: {x-said: "${method} ${host} ${path} ${request_id} ${trace_id} ${scheme} ${remote_ip}"}}
  mirror: {cluster: other}
- name: ask
  match: {path_prefix: /ask}
  cluster: app
  external_auth: {cluster: other, path: "/?x=y", request_headers: [cookie, x-key], response_headers: [x-user]}
- {name: moved, match: {path_prefix: /moved}, redirect: {prefix_rewrite: /}, response_headers: {set: {x-said: "${path}"}}}
- {name: secure, match: {path_prefix: /secure}, redirect: {scheme: https}}
- {name: down, match: {path_prefix: /down}, respond: {status: 200}, response_headers: {set: {x-said: "${host} ${path}"}}}
- {name: none, match: {path_prefix: /none}, cluster: away, response_headers: {set: {x-said: "${path}"}}}
error_pages: {5xx: {body: "down\n"}, "404": {body: "none\n"}}
`

// headsSeen are the heads that endpoints got, and what of them no client may write.
type headsSeen struct {
	mu sync.Mutex
	// +checklocks:mu
	heads []string
}

func (s *headsSeen) note(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads = append(s.heads, fmt.Sprintf("%s %q %v", r.Method, r.RequestURI, r.Header))
	w.Header().Set("X-User", "ann")
	_, _ = io.WriteString(w, "app")
}

func (s *headsSeen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	heads := s.heads
	s.heads = nil
	return heads
}

// What a client sends never begins another line or field, whatever the document has it repeated in. That holds towards
// an endpoint, a mirror or a service that is asked, and in the client's own response.
func TestNothingIsInjected(t *testing.T) {
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			name := map[bool]string{false: "http1", true: "http2"}
			t.Run(name[down2]+" to "+name[up2], func(t *testing.T) {
				s := new(headsSeen)
				cluster := fmt.Sprintf("protocol: %s, endpoints: [%q]", name[up2], versionBackend(t, up2, s.note))
				g := start(t, repeating+"clusters: [{name: app, "+cluster+"}, {name: other, "+cluster+
					"}, {name: away, endpoints: [\""+testserver.Addr(t)+"\"]}]\n")
				c := versionClient(t, down2)
				c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				for _, path := range []string{
					"%0d%0aX-Injected:%201", "%0D%0A%0D%0AGET%20/", "//evil.test", "/%2fevil.test", `/\evil.test`,
					"/%5cevil.test", "/%09/evil.test", "@evil.test", "/u:p@evil.test", "%00", "%ff%80",
					"x?%0d%0aX-Injected:1&//evil.test", strings.Repeat("a", 8000),
				} {
					for _, prefix := range []string{"/edit/", "/ask/", "/moved/", "/secure/", "/down/", "/none/", "/"} {
						req, err := http.NewRequest("GET", "http://"+g.addr, nil)
						if err != nil {
							t.Fatal(err)
						}
						req.URL.Opaque = prefix + path
						if strings.HasPrefix(req.URL.Opaque, "//") {
							continue // the client takes it for a host
						}
						req.Header = http.Header{"X-Request-Id": {"a\tb\xff\"\\"}, "Cookie": {"a=\xff"},
							"X-Key": {"\xfe"}, "X-User": {"root"}, "Traceparent": {"00-\xff"}}
						res, err := c.Do(req)
						if err != nil {
							t.Fatalf("%s%s: %v", prefix, path, err)
						}
						_, err = io.Copy(io.Discard, res.Body)
						res.Body.Close()
						if err != nil || res.Header.Get("X-Injected") != "" {
							t.Errorf("%s%s: %d %v, %v", prefix, path, res.StatusCode, res.Header, err)
						}
						location := res.Header.Get("Location")
						elsewhere := strings.Contains(location, "://") || strings.HasPrefix(location, "//") ||
							strings.HasPrefix(location, `/\`)
						if elsewhere && !strings.HasPrefix(location, "https://127.0.0.1/") {
							t.Errorf("%s%s: sent to %s", prefix, path, location)
						}
						if said := res.Header.Get("X-Said"); strings.ContainsFunc(said,
							func(r rune) bool { return r < ' ' || r == 0x7f }) {
							t.Errorf("%s%s: the client is told %q", prefix, path, said)
						}
						for _, head := range s.take() {
							if strings.Contains(head, "X-Injected:[") ||
								strings.HasPrefix(head, `GET "/ask/`) && strings.Contains(head, "root") {
								t.Errorf("%s%s: an endpoint got %s", prefix, path, head)
							}
						}
					}
				}
			})
		}
	}
}

// Bytes that end a line, or a text, are refused wherever they stand, and nobody gets the request.
func TestRawInjectionIsRefused(t *testing.T) {
	s := new(headsSeen)
	address := versionBackend(t, false, s.note)
	one := fmt.Sprintf("endpoints: [%q]}", address)
	g := start(t, repeating+"clusters: [{name: app, "+one+", {name: other, "+one+", {name: away, "+one+"]\n")
	const field = "\r\nX-Injected: 1" // which a client may write by itself behind a value
	for _, bytes := range []string{field, "\nX-Injected: 1", "\rX-Injected: 1", "\x00", "\r\n X-Injected: 1"} {
		for _, form := range []string{
			"G%sT /edit/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /edit/%sx HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /ask/%sx HTTP/1.1\r\nHost: a\r\n\r\n", "GET /moved/%sx HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /edit/x HTTP/1.1\r\nHost: a%sb\r\n\r\n", "GET /secure HTTP/1.1\r\nHost: a%sb\r\n\r\n",
			"GET /edit/x HTTP/1.1\r\nHost: a\r\nX-Request-Id: a%sb\r\n\r\n",
			"GET /ask/x HTTP/1.1\r\nHost: a\r\nCookie: a%sb\r\n\r\n",
			"GET /ask/x HTTP/1.1\r\nHost: a\r\nX%s-Key: b\r\n\r\n",
		} {
			raw := fmt.Sprintf(form, bytes)
			if bytes == field && strings.Contains(form, ": a%s") {
				continue
			}
			if codes := statuses(t, g.talk(raw)); !slices.Equal(codes, []int{400}) {
				t.Errorf("%q: %v, want 400", raw, codes)
			}
			if heads := s.take(); len(heads) > 0 {
				t.Errorf("%q: an endpoint got %q", raw, heads)
			}
		}
		for _, field := range []string{":path", ":authority", ":method", "x-request-id", "cookie", "x-key"} {
			fields := map[string]string{":path": "/edit/x", ":authority": "a", ":method": "GET", "x-request-id": "1",
				"cookie": "a", "x-key": "a"}
			fields[field] += bytes
			f := g.dial2()
			f.Head(1, true, ":method", fields[":method"], ":scheme", "http", ":path", fields[":path"], ":authority",
				fields[":authority"], "x-request-id", fields["x-request-id"], "cookie", fields["cookie"], "x-key",
				fields["x-key"])
			f.Peer.Reset(1, http2.ErrCodeProtocol)
			if heads := s.take(); len(heads) > 0 {
				t.Errorf("%s with %q: an endpoint got %q", field, bytes, heads)
			}
		}
	}
}
