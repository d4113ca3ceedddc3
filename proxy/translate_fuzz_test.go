package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// FuzzTranslate sends a request of HTTP/2 through the gateway to an endpoint that speaks HTTP/1.1. Whatever the
// bytes: either nothing arrives there, or exactly one request, with the method, target, fields and body that were
// sent.
func FuzzTranslate(f *testing.F) {
	for _, s := range []struct{ method, path, authority, name, value, body string }{
		{"GET", "/", "a", "accept", "*/*", ""},
		{"POST", "/x?y=z", "a.example:80", "content-length", "5", "hello"},
		{"POST", "/", "a", "content-length", "4", "hello"},
		{"POST", "/", "a", "transfer-encoding", "chunked", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"},
		{"POST", "/", "a", "x", "y\r\ntransfer-encoding: chunked", "0\r\n\r\n"},
		{"POST", "/", "a", "x: y\r\nz", "v", "b"},
		{"GET", "/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled", "a", "x", "y", ""},
		{"GET / HTTP/1.1\r\n", "/", "a", "x", "y", ""},
		{"GET", "/", "a\r\nx: y", "x", "y", ""},
		{"GET", "/", "a", "host", "b", ""},
		{"GET", "*", "a", "te", "trailers", ""},
		{"OPTIONS", "*", "a", "te", "gzip", ""},
		{"CONNECT", "", "a:1", "x", "y", ""},
		{"PUT", "/", "a", "cookie", "a=1; b=2", "x"},
		{"GET", "/\x00", "a", "connection", "x", ""},
		{"POST", "/", "a", "expect", "100-continue", "x"},
	} {
		f.Add(s.method, s.path, s.authority, s.name, s.value, []byte(s.body))
	}
	got := make(chan []byte, 16)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ln.Close() })
	go func() { // ends with the listener; each connection with the gateway
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go take(c, got)
		}
	}()
	watched.Store(f, true) // the fuzzing engine has goroutines of its own
	g := start(f, to(ln.Addr().String()))
	var sent int
	f.Fuzz(func(t *testing.T, method, path, authority, name, value string, body []byte) {
		if name == "x-mark" {
			t.Skip("ours")
		}
		if len(path)+len(name)+len(value)+len(method)+len(authority) > 8<<10 || len(body) > 8<<10 {
			t.Skip("the bounds have tests of their own")
		}
		sent++
		mark := strconv.Itoa(sent) // what an earlier, refused request has left behind may come late
		fields := []string{":method", method, ":scheme", "http", ":authority", authority, ":path", path, name, value,
			"x-mark", mark}
		status := translated(t, g.addr, fields, body)
		var all []byte
		for done := false; !done; {
			select {
			case p := <-got:
				if bytes.Contains(p, []byte("\r\nx-mark: "+mark+"\r\n")) {
					all = append(all, p...)
				}
			default:
				done = true
			}
		}
		if status == "200" && len(all) == 0 {
			t.Fatal("answered, and the endpoint knows nothing of it")
		}
		if len(all) > 0 {
			check1(t, all, method, path, authority, name, value, body)
		}
	})
}

// take reads what comes as one request at most and answers it; then everything that is there, and closes.
func take(c net.Conn, got chan<- []byte) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			if len(all) > 0 {
				got <- all // cut off: a refused body, say
			}
			return
		}
		if whole(all) {
			got <- all
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
	}
}

// whole tells whether the bytes hold the end of a request.
func whole(b []byte) bool {
	head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	lower := bytes.ToLower(head)
	if bytes.Contains(lower, []byte("\r\ntransfer-encoding: chunked")) {
		return bytes.HasPrefix(rest, []byte("0\r\n\r\n")) || bytes.Contains(rest, []byte("\r\n0\r\n\r\n"))
	}
	if _, after, ok := bytes.Cut(lower, []byte("\r\ncontent-length: ")); ok {
		n := 0
		for _, d := range after {
			if d < '0' || d > '9' {
				break
			}
			n = n*10 + int(d-'0')
		}
		return len(rest) >= n
	}
	return true
}

// translated sends the request on a connection of its own and returns the status, or "" if there is none.
func translated(t *testing.T, address string, fields []string, body []byte) (status string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	var out bytes.Buffer
	p := testpeer.Client(t, c, &out)
	p.Head(1, len(body) == 0, fields...)
	if len(body) > 0 {
		p.Must(p.WriteData(1, true, body))
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	for {
		switch f, err := p.ReadFrame(); f := f.(type) {
		case nil:
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Fatal("no answer")
			}
			return ""
		case *http2.MetaHeadersFrame:
			if s := f.PseudoValue("status"); s[0] != '1' {
				return s
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

// check1 reads what the endpoint got as the gateway's own reader of HTTP/1.1 would and, for the second opinion, as
// Go's.
func check1(t *testing.T, all []byte, method, path, authority, name, value string, body []byte) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(all))
	req, err := http.ReadRequest(r)
	if err != nil {
		if len(body) > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return // its body was refused, the head is cut off with it
		}
		t.Fatalf("%v in %q", err, all)
	}
	end := bytes.Index(all, []byte("\r\n\r\n")) + 4
	var h message.Head
	lim := http1.DefaultLimits()
	if err := http1.ParseRequest(all[:end], &h, &lim); err != nil {
		t.Fatalf("%v in %q", err, all)
	}
	if string(h.Method) != method || string(h.Target) != path || req.Method != method || req.RequestURI != path {
		t.Errorf("got %q, sent %q %q", all, method, path)
	}
	if h.Count(message.Host) != 1 || authority != "" && string(h.Get(message.Host)) != authority {
		t.Errorf("host = %q in %q, sent %q", h.Get(message.Host), all, authority)
	}
	seen, mine := 0, 0
	for i := range h.Fields {
		switch got := string(h.Name(&h.Fields[i])); {
		case got == "x-mark":
			seen++
		case got == name && string(h.Value(&h.Fields[i])) == strings.Trim(value, " \t"):
			mine++
		case !slices.Contains(ours, strings.ToLower(got)) && got != "host" && got != name:
			t.Errorf("field %q came out of nothing in %q", got, all)
		}
	}
	if seen != 1 || mine == 0 && !slices.Contains(ours, name) {
		t.Errorf("%q: %q is not in %q", name, value, all)
	}
	got, err := io.ReadAll(req.Body)
	if err != nil {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v in %q", err, all)
		}
		return // cut off
	}
	if !bytes.Equal(got, body) {
		t.Errorf("body = %q, sent %q; in %q", got, body, all)
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("a second request: %q", rest)
	}
}

// ours are the fields that the gateway writes, or takes out.
var ours = []string{"host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-client-cert",
	"x-request-id", "transfer-encoding",
	"content-length", "connection", "te", "expect", "cookie", "keep-alive", "proxy-authenticate", "proxy-authorization",
	"proxy-connection", "upgrade", "http2-settings"}
