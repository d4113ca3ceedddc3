//go:build !race

package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// plainEndpoint answers each read with the same bytes. It allocates nothing while it runs.
func plainEndpoint(t testing.TB, answer string) string {
	return script(t, func(w *wire) {
		out, in := []byte(answer), make([]byte, 64<<10)
		for {
			if _, err := w.TCPConn.Read(in); err != nil {
				return
			}
			if _, err := w.TCPConn.Write(out); err != nil {
				return
			}
		}
	})
}

// round sends a request and reads an answer of as many bytes as buf has.
func round(t testing.TB, c net.Conn, request, buf []byte) {
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatalf("%v after %q", err, buf)
	}
}

// A request allocates nothing, from the first byte read to the line in the access log. Pools, buffers and counters are
// warm after the first few.
func TestRequestDoesNotAllocate(t *testing.T) {
	const many = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: " +
		"a=b; c=d\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	for _, tt := range []struct{ name, route, request, answer, want string }{
		{"GET", "", "GET /api/v1/users?id=7 HTTP/1.1\r\nHost: app.example.com\r\n" + many + "\r\n", ok("hello"),
			ok("hello")},
		{"GET of a path to be normalised", "prefix_rewrite: /v2", "GET /a/../%62 HTTP/1.1\r\nHost: a\r\n\r\n", ok(""),
			ok("")},
		{"GET with a trusted X-Forwarded-For", "",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 8.8.8.8, 127.0.0.1\r\n\r\n", ok(""), ok("")},
		{"GET answered in chunks", "", get("/"),
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"GET with headers edited", editedHeads,
			"GET /a HTTP/1.1\r\nHost: a\r\n" + many + "X-C: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nServer: app\r\nX-C: c\r\nContent-Length: 5\r\n\r\nhello",
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nserver: gateway\r\nx-a: GET app\r\nx-b: b\r\n\r\nhello"},
		{"GET by who may",
			"allow: {sources: [10.0.0.0/8, 8.8.0.0/16]}, deny: {sources: [8.9.0.0/16], identities: [a.b]}",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n", ok(""), ok("")},
		{"GET with a password that is known",
			"basic_auth: {file: " + htpasswd(t, bcrypt.MinCost, "ann", "secret") + "}",
			"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n", ok(""), ok("")},
		{"HEAD", "", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nKeep-Alive: timeout=60\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		{"POST", "", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", ok("hello"), ok("hello")},
		{"POST in chunks", "",
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ok("hello"),
			ok("hello")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newLog(t)
			g := start(t, routed(plainEndpoint(t, tt.answer), tt.route), log.use, trusting("127.0.0.1/32"), unswept)
			ctx, cancel := context.WithCancel(t.Context())
			written := make(chan struct{})
			go func() { defer close(written); log.Run(ctx) }()
			defer func() { cancel(); <-written }()
			c := g.dial().TCPConn
			request, buf := []byte(tt.request), make([]byte, len(tt.want))
			round(t, c, request, buf)
			if !bytes.Equal(buf, []byte(tt.want)) {
				t.Fatalf("answer = %q, want %q", buf, tt.want)
			}
			if per := g.allocations(func() { round(t, c, request, buf) }); per > stray {
				t.Errorf("%.3f allocations a request, want none", per)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	g := start(b, to(plainEndpoint(b, ok("hello"))))
	c := g.dial().TCPConn
	request, buf := []byte(get("/")), make([]byte, len(ok("hello")))
	b.ReportAllocs()
	for b.Loop() {
		round(b, c, request, buf)
	}
}

// What eight edits of heads cost, beside BenchmarkRequest.
func BenchmarkRequestEdited(b *testing.B) {
	const want = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nserver: gateway\r\nx-a: GET app\r\nx-b: b\r\n\r\nhello"
	g := start(b, routed(plainEndpoint(b, ok("hello")), editedHeads))
	c := g.dial().TCPConn
	request, buf := []byte(get("/")), make([]byte, len(want))
	b.ReportAllocs()
	for b.Loop() {
		round(b, c, request, buf)
	}
}

// A route as users write them, with three conditions and four edits of heads, beside BenchmarkRequest.
func BenchmarkRequestEveryday(b *testing.B) {
	const want = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nstrict-transport-security: max-age=63072000\r\n\r\nhello"
	g := start(b, fmt.Sprintf(`
routes:
- name: everyday
  match: {path_prefix: /, methods: [GET], headers: {x-tenant: {prefix: a-}}, query: {page: "7"}}
  cluster: app
  request_headers: {set: {x-route: "${route}"}, remove: [x-internal]}
  response_headers: {set: {strict-transport-security: max-age=63072000}, remove: [server]}
clusters: [{name: app, endpoints: [%q]}]
`, plainEndpoint(b, ok("hello"))))
	c := g.dial().TCPConn
	request := []byte("GET /a?page=7 HTTP/1.1\r\nHost: a.example\r\nX-Tenant: a-1\r\n\r\n")
	buf := make([]byte, len(want))
	b.ReportAllocs()
	for b.Loop() {
		round(b, c, request, buf)
	}
	if string(buf) != want {
		b.Fatalf("answer = %q, want %q", buf, want)
	}
}
