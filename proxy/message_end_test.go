package proxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
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

	const close, keep, chunks, zero = "Connection: close\r\n", "Connection: keep-alive\r\n",
		"Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"
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
			c.send(tt.method + " / HTTP/" + tt.version +
				"\r\nHost: a.example\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
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

// How a request ends is passed on in the form in which it came. It may end with its head, behind it by an empty piece
// of body, or by trailers. Servers of gRPC tell a call without messages from one that is still to come by that. Each
// way is sent at once and in two writes. The connection to the endpoint is being made (cold) or is there (warm).
func TestEndOfARequestBetweenVersions(t *testing.T) {
	// One connection: else the next request may come before the last one's has been given back, and make another one.
	const one = "limits: {max_connections: 1}, protocol: "
	documents := map[string]func(protocol, address string) string{
		"plain": func(protocol, address string) string { return clustered("", one+protocol, address) },
		"retries": func(protocol, address string) string {
			return clustered("retries: {on: [unavailable]}", one+protocol, address)
		},
		"max_body": func(protocol, address string) string {
			return "limits: {max_body: 1000}\n" + clustered("", one+protocol, address)
		},
	}
	for option, document := range documents {
		for _, down2 := range []bool{false, true} {
			for _, up2 := range []bool{false, true} {
				for _, how := range []string{"head", "empty data", "trailers"} {
					for _, atOnce := range []bool{true, false} {
						if how == "head" && !atOnce {
							continue
						}
						name := fmt.Sprintf("%s, http2 client %v, endpoint %v, %s, at once %v", option, down2, up2, how,
							atOnce)
						t.Run(name, func(t *testing.T) {
							e := listen(t)
							g := start(t, document(map[bool]string{false: "http1", true: "http2"}[up2], e.addr))
							var client caller = &callerH1{w: g.dial()}
							if down2 {
								client = &callerH2{f: g.dial2(), id: 1}
							}
							var server called = &calledH1{e: e}
							if up2 {
								server = &calledH2{e: e}
							}
							for _, state := range []string{"cold", "warm", "warm again"} {
								client.begin(how, atOnce)
								server.head(how)
								if !atOnce {
									client.end(how)
								}
								server.end(how)
								client.answered()
								if t.Failed() {
									t.Fatal(state)
								}
							}
						})
					}
				}
			}
		}
	}
}

// caller is a client of a version that makes calls of gRPC without a message, one after the other.
type caller interface {
	begin(how string, atOnce bool) // the head, and at once the end
	end(how string)
	answered()
}

// called is an endpoint of a version that takes such calls and answers them.
type called interface {
	head(how string)
	end(how string) // must have come in that form
}

type callerH1 struct{ w *wire }

const callH1 = "POST /x.Y/Z HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/grpc\r\nTE: " +
	"trailers\r\nConnection: TE\r\n"

func (c *callerH1) begin(how string, atOnce bool) {
	framing, end := "Transfer-Encoding: chunked\r\n", ""
	if how == "head" {
		framing = "Content-Length: 0\r\n"
	} else if atOnce {
		end = endsH1[how]
	}
	c.w.send(callH1 + framing + "\r\n" + end)
}

var endsH1 = map[string]string{"head": "", "empty data": "0\r\n\r\n", "trailers": "0\r\nx-sum: 1\r\n\r\n"}

func (c *callerH1) end(how string) { c.w.send(endsH1[how]) }
func (c *callerH1) answered()      { c.w.status(200) }

type callerH2 struct {
	f  *frames
	id uint32
}

func (c *callerH2) begin(how string, atOnce bool) {
	var both bytes.Buffer
	c.f.To(&both)
	c.f.Ask(c.id, how == "head", "POST", "/x.Y/Z", "content-type", "application/grpc", "te", "trailers")
	if atOnce {
		c.end(how)
	}
	c.f.To(c.f.w)
	c.f.w.send(both.String())
}

func (c *callerH2) end(how string) {
	switch how {
	case "empty data":
		c.f.Must(c.f.WriteData(c.id, true, nil))
	case "trailers":
		c.f.Head(c.id, true, "x-sum", "1")
	}
}

func (c *callerH2) answered() {
	if !c.f.Answer(c.id, "200").StreamEnded() {
		c.f.Text(c.id, "")
	}
	c.id += 2
}

type calledH1 struct {
	e *endpoint
	w *wire
}

func (c *calledH1) head(how string) {
	if c.w == nil {
		c.w = c.e.accept()
	}
	h := c.w.head()
	if got := field(h, "Transfer-Encoding"); got != map[bool]string{true: "chunked"}[how != "head"] {
		c.e.t.Errorf("the endpoint got %q for a request that ends with %s", h, how)
	}
}

func (c *calledH1) end(how string) {
	c.w.expect(endsH1[how])
	c.w.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

type calledH2 struct {
	e  *endpoint
	f  *frames
	id uint32
}

func (c *calledH2) head(how string) {
	if c.f == nil {
		c.f = c.e.accept2()
	}
	h := c.f.Any()
	c.id = h.StreamID
	if h.StreamEnded() != (how == "head") {
		c.e.t.Fatalf("the head ends the stream: %v, for a request that ends with %s", h.StreamEnded(), how)
	}
}

func (c *calledH2) end(how string) {
	switch how {
	case "empty data":
		d, ok := c.f.Next().(*http2.DataFrame)
		if !ok || d.StreamID != c.id || !d.StreamEnded() || len(d.Data()) > 0 {
			c.e.t.Fatalf("got %v, want an empty DATA frame that ends the stream", d)
		}
	case "trailers":
		if h := c.f.Section(c.id); !h.StreamEnded() || len(values(h, "x-sum")) != 1 {
			c.e.t.Fatalf("got %v, want the trailers", h)
		}
	}
	c.f.Head(c.id, true, ":status", "200")
}
