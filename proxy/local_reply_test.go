package proxy_test

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Every flag of the contract: what the client gets, and what is counted.
func TestFaults(t *testing.T) {
	up := echo(t)
	for _, tt := range []struct {
		name, document, request string
		status                  int
		text                    string
		flag                    telemetry.Flag
		close                   bool
		grpc                    string // status for a caller of gRPC
	}{
		{"NR", "", get("/"), 404, "no route", telemetry.NR, false, "12"},
		{"UH", "routes:\n- {name: all, match: {path_prefix: /}, cluster: app}\nclusters:\n- {name: app, endpoints: " +
			"[{address: \"" + up + "\", weight: 0}]}\n",
			get("/"), 503, "no healthy upstream", telemetry.UH, false, "14"},
		{"UF", to(refusing(t)), get("/"), 502, "upstream connect failed", telemetry.UF, false, "14"},
		{"UC", to(script(t, func(w *wire) { _, _ = readHead(w.r); w.reset() })), get("/"), 502, "upstream broke off",
			telemetry.UC, false, "14"},
		{"UC by an early end", to(script(t, func(w *wire) { _, _ = readHead(w.r) })), get("/"), 502,
			"upstream broke off", telemetry.UC, false, "14"},
		{"UC inside the head", to(replyOnce(t, "HTTP/1.1 200 OK\r\nX: y\r\n")), get("/"), 502, "upstream broke off",
			telemetry.UC, false, "14"},
		{"UT", routed(script(t, func(w *wire) { _ = rawRest(w) }), "timeouts: {upstream: 50ms}"), get("/"), 504,
			"upstream timeout", telemetry.UT, false, "4"},
		{"UPE", to(replyOnce(t, "SSH-2.0-x\r\n\r\n")), get("/"), 502, "malformed upstream response", telemetry.UPE,
			false, "13"},
		{"DPE of the path", to(up), get("/.."), 400, "malformed path", telemetry.DPE, false, "13"},
		{"DPE of the method", to(up), "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405, "CONNECT is not supported",
			telemetry.DPE, true, ""},
		{"DPE of the host", to(up), "GET / HTTP/1.1\r\n\r\n", 400, "Host field is missing", telemetry.DPE, true, ""},
		{"DPE of the version", to(up), "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "HTTP version is neither 1.0 nor 1.1",
			telemetry.DPE, true, ""},
		{"DPE of the coding", to(up), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
			"unknown transfer coding", telemetry.DPE, true, ""},
		{"DPE of the expectation", to(up), "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417,
			"unknown expectation", telemetry.DPE, true, ""},
		{"DPE of the body", to(up), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400,
			"malformed chunk size", telemetry.DPE, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newLog(t)
			document := tt.document
			if document == "" {
				document = "routes: []\nclusters: []\n"
			}
			g := start(t, document, log.use)
			c := g.dial()
			c.send(tt.request)
			res, body := c.response(method(tt.request))
			if res.StatusCode != tt.status || body != tt.text+"\n" || res.Close != tt.close ||
				res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("answer = %d %q, close %v, %v; want %d %q, close %v", res.StatusCode, body, res.Close,
					res.Header, tt.status, tt.text, tt.close)
			}
			if at, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(at) > time.Minute {
				t.Errorf("Date = %q", res.Header.Get("Date"))
			}
			if allow := res.Header.Get("Allow"); (allow != "") != (tt.status == 405) ||
				strings.Contains(allow, "CONNECT") {
				t.Errorf("Allow = %q", allow)
			}
			if n := g.faults(tt.flag); n != 1 {
				t.Errorf("faults %s = %d, want 1", tt.flag, n)
			}
			if line := log.lines(1)[0]; line["status"] != float64(tt.status) || line["flag"] != tt.flag.String() {
				t.Errorf("logged status %v, flag %v", line["status"], line["flag"])
			}
			if tt.close {
				c.finish()
				c.ended()
				return
			}
			if method(tt.request) == "GET" {
				c.send("HEAD" + tt.request[len("GET"):])
				head := c.head()
				if !strings.HasPrefix(head, "HTTP/1.1 "+strconv.Itoa(tt.status)) ||
					field(head, "Content-Length") != strconv.Itoa(len(tt.text)+1) {
					t.Errorf("answer to HEAD = %q", head)
				}
			}
			c.send(strings.Replace(tt.request, "\r\n\r\n",
				"\r\nContent-Type: application/grpc+proto\r\nContent-Length: 0\r\n\r\n", 1))
			res, body = c.response("POST")
			if h := res.Header; res.StatusCode != 200 || body != "" || h.Get("Content-Type") != "application/grpc" ||
				h.Get("Grpc-Status") != tt.grpc || h.Get("Grpc-Message") != tt.text {
				t.Errorf("answer to gRPC = %d %q %v, want grpc-status %s", res.StatusCode, body, h, tt.grpc)
			}
		})
	}
}

// A head that is no request has no gRPC status, also where nothing of an earlier request is left to be used again.
func TestBadRequestHasNoGRPCStatus(t *testing.T) {
	log := newLog(t)
	g := start(t, to(echo(t)), log.use)
	for range 2 { // a pool forgets in two steps
		runtime.GC()
	}
	res, _ := g.ask("GET / HTTP/1.1\r\n\r\n")
	if line := log.lines(1)[0]; res.StatusCode != 400 || line["grpc_status"] != nil {
		t.Errorf("status %d, logged grpc_status %v", res.StatusCode, line["grpc_status"])
	}
}

// replyOnce answers the first request of each connection, and closes.
func replyOnce(t *testing.T, answer string) string {
	return script(t, func(w *wire) {
		if _, err := readHead(w.r); err == nil {
			_, _ = w.Write([]byte(answer))
		}
	})
}

// Whatever an endpoint says that is no HTTP, the client gets a clean 502, and nobody uses that connection again.
func TestMalformedAnswers(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{
		{"nonsense", "\x00\x01\x02\x03\r\n\r\n"},
		{"a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"another version", "HTTP/2.0 200 OK\r\n\r\n"},
		{"no version", "200 OK\r\n\r\n"},
		{"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
		{"a status nobody may send", "HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n"},
		{"a status above all", "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n"},
		{"line ends of LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
		{"one line end of LF", "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n"},
		{"a CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"},
		{"a NUL in a value", "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n"},
		{"a folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
		{"a space before the colon", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n"},
		{"a field without a name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n"},
		{"a line without a colon", "HTTP/1.1 200 OK\r\nfoo\r\nContent-Length: 0\r\n\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
		{"two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"},
		{"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
		{"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na"},
		{"a length beyond all", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"},
		{"a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
		{"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{"another coding behind chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"Connection that names the length",
			"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\na"},
		{"too many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 201) + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(get("/"))
			up := e.accept()
			up.head()
			up.send(tt.answer)
			c.status(502)
			if n := g.faults(telemetry.UPE); n != 1 {
				t.Errorf("faults UPE = %d, want 1", n)
			}
			up.ended()
			c.send(get("/"))
			e.accept().serve(ok(""))
			c.status(200)
		})
	}
}
