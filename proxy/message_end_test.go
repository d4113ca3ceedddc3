package proxy_test

import (
	"strings"
	"testing"
)

// How an answer of HTTP/2 ends is said in HTTP/1.1's own words, to the byte: the client must know where the next
// answer begins.
func TestEndOfAnAnswerBetweenVersions(t *testing.T) {
	const head, data, sized, trailers = "head", "empty data", "sized", "trailers"
	e := listen(t)
	g := start(t, clustered("", "protocol: http2", e.addr))
	down := g.dial2()
	down.Ask(1, true, "GET", "/first")
	up := e.accept2()
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")

	const close, keep, chunks, zero = "Connection: close\r\n", "Connection: keep-alive\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"
	for _, tt := range []struct {
		method, status, ends, version string
		fields, body                  string
	}{
		{"GET", "200", head, "1.1", zero, ""},
		{"GET", "200", head, "1.0", zero + keep, ""},
		{"POST", "201", head, "1.1", zero, ""},
		{"GET", "404", head, "1.1", zero, ""},
		{"GET", "500", head, "1.1", zero, ""},
		{"GET", "204", head, "1.1", "", ""},
		{"GET", "304", head, "1.1", "", ""},
		{"HEAD", "200", head, "1.1", "", ""},
		{"HEAD", "404", head, "1.0", keep, ""},
		{"GET", "200", data, "1.1", chunks, "0\r\n\r\n"},
		{"GET", "200", data, "1.0", close, ""},
		{"GET", "204", data, "1.1", "", ""},
		{"GET", "204", data, "1.0", keep, ""},
		{"GET", "304", data, "1.1", "", ""},
		{"POST", "304", data, "1.0", keep, ""},
		{"HEAD", "200", data, "1.1", "", ""},
		{"HEAD", "200", data, "1.0", keep, ""},
		{"HEAD", "404", data, "1.1", "", ""},
		{"HEAD", "200", trailers, "1.1", "", ""},
		{"GET", "204", trailers, "1.1", "", ""},
		{"GET", "200", sized, "1.1", "content-length: 0\r\n", ""},
		{"HEAD", "200", sized, "1.1", "content-length: 0\r\n", ""},
		{"GET", "204", sized, "1.1", "", ""},
		{"GET", "304", sized, "1.0", "content-length: 0\r\n" + keep, ""},
	} {
		t.Run(tt.method+" "+tt.status+" "+tt.ends+" "+tt.version, func(t *testing.T) {
			c := g.dial()
			c.send(tt.method + " / HTTP/" + tt.version + "\r\nHost: a.example\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
			end(up, up.Any().StreamID, tt.status, tt.ends)
			got := c.head()
			_, fields, _ := strings.Cut(strings.TrimSuffix(got, "\r\n"), "\r\n")
			if fields != tt.fields {
				t.Fatalf("fields = %q, want %q", fields, tt.fields)
			}
			c.expect(tt.body)
			if strings.Contains(fields, close) {
				c.ended()
				return
			}
			c.send(get("/next"))
			up.Head(up.Any().StreamID, true, ":status", "202")
			c.expect("HTTP/1.1 202 ")
		})
	}
}

// end answers a stream in one of the ways that HTTP/2 has for an answer without a body.
func end(up *frames, id uint32, status, how string) {
	up.t.Helper()
	switch how {
	case "head":
		up.Head(id, true, ":status", status)
	case "empty data":
		up.Head(id, false, ":status", status)
		up.Must(up.WriteData(id, true, nil))
	case "sized":
		up.Head(id, false, ":status", status, "content-length", "0")
		up.Must(up.WriteData(id, true, nil))
	case "trailers":
		up.Head(id, false, ":status", status)
		up.Head(id, true, "x-sum", "1")
	}
}
