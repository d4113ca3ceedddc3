package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestAccessLogHasEveryField(t *testing.T) {
	log := newLog(t)
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(20 * time.Millisecond)
		_, _ = io.WriteString(w, "hello")
	})
	g := start(t, to(app), log.use, trusting("127.0.0.1/32"))
	request := "POST /a/%62?q=1&r HTTP/1.1\r\nHost: A.example:80\r\nUser-Agent: test/1\r\nReferer: " +
		"http://r/\r\nX-Request-Id: id-1\r\n" +
		"X-Forwarded-For: 9.9.9.9, 8.8.8.8, 127.0.0.1\r\ntraceparent: " +
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nContent-Length: 3\r\n\r\nabc"
	begun := time.Now()
	c := g.dial()
	c.send(request)
	answer := c.head() + "hello"
	c.expect("hello")
	line := log.lines(1)[0]
	for name, want := range map[string]any{
		"method": "POST", "path": "/a/%62", "query": "q=1&r", "host": "A.example:80", "protocol": "HTTP/1.1",
		"status":    200.0,
		"remote_ip": "8.8.8.8", "user_agent": "test/1", "referer": "http://r/", "listener": "web", "route": "all",
		"cluster":  "app",
		"upstream": app, "attempts": 1.0, "bytes_read": float64(len(request)), "bytes_written": float64(len(answer)),
		"flag":       "",
		"request_id": "id-1", "trace_id": "0af7651916cd43dd8448eb211c80319c", "tls_version": "", "client_identity": "",
	} {
		if line[name] != want {
			t.Errorf("%s = %v, want %v", name, line[name], want)
		}
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z", line["time"].(string))
	if err != nil || at.Before(begun.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("time = %v (%v)", line["time"], err)
	}
	upstream, duration := line["upstream_ms"].(float64), line["duration_ms"].(float64)
	if upstream < 20 || duration < upstream || duration > 5000 {
		t.Errorf("upstream_ms = %v, duration_ms = %v", upstream, duration)
	}
	if r := line["revision"].(string); r == "" {
		t.Error("revision is empty")
	}
	if n := len(logfield.Names()); len(line) != n {
		t.Errorf("%d fields, want %d", len(line), n)
	}
}

// A line that knows little has the same fields as one that knows all.
func TestAccessLogOfARequestThatWasNone(t *testing.T) {
	log := newLog(t)
	g := start(t, to("127.0.0.1:1"), log.use)
	g.talk("GARBAGE\r\n\r\n")
	line := log.lines(1)[0]
	for _, name := range logfield.Names() {
		if _, ok := line[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if line["status"] != 400.0 || line["upstream_ms"] != nil || line["attempts"] != 0.0 || line["route"] != "" ||
		line["flag"] != "DPE" || line["remote_ip"] != "127.0.0.1" {
		t.Errorf("line = %v", line)
	}
}

func TestAccessLogFieldsInTheirOrder(t *testing.T) {
	log := newLog(t)
	g := start(t, "access_log: {fields: [status, path, method]}\n"+to(echo(t)), log.use)
	g.ask(get("/x"))
	if got, want := string(log.raw(1)[0]), `{"status":200,"path":"/x","method":"GET"}`+"\n"; got != want {
		t.Errorf("line = %s, want %s", got, want)
	}
}

func TestAccessLogIsOffWhereTheDocumentSaysSo(t *testing.T) {
	log := newLog(t)
	up := echo(t)
	g := start(t, "access_log: {enabled: false}\n"+to(up), log.use)
	g.ask(get("/off"))
	g.idle(1)
	g.apply(to(up))
	g.ask(get("/on"))
	if line := log.lines(1)[0]; line["path"] != "/on" {
		t.Errorf("path = %v, want /on alone", line["path"])
	}
}

// Whatever a client sends, each line is one object of JSON.
func TestAccessLogOfHostileRequests(t *testing.T) {
	log := newLog(t)
	g := start(t, to(echo(t)), log.use)
	requests := []string{
		get(`/"quoted"\back\\slash`),
		get("/\xff\xfe\x80"),
		get("/\xed\xa0\x80\xc0\xaf"), // a surrogate, an overlong slash
		get("/\xe2\x82\xac/\xf0\x9f\x98\x80\xe2\x82"),
		get("/\u2028\u2029</script>"),
		get("/?" + `"}` + ",\"status\":200,{\""),
		get("/" + strings.Repeat("p", 16<<10-len("GET / HTTP/1.1"))),
		get("/" + strings.Repeat("\xff", 5000)),
		get("/" + strings.Repeat("\xe2\x82\xac", 3000)), // cut inside a character
		"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \"\\\t\xff\r\nReferer: \"\r\nX-Request-Id: \"\r\ntraceparent: " +
			"00-\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"-x-01\r\n\r\n",
		"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	for _, r := range requests {
		g.talk(r)
	}
	for _, raw := range log.raw(len(requests)) {
		if !json.Valid(raw) || !utf8.Valid(raw) ||
			strings.ContainsFunc(string(raw[:len(raw)-1]), func(r rune) bool { return r < ' ' }) {
			t.Errorf("no line of JSON: %q", raw)
		}
		if len(raw) > 64<<10 {
			t.Errorf("a line of %d bytes", len(raw))
		}
	}
}

func TestAccessLogSamplingKeepsErrors(t *testing.T) {
	log := newLog(t)
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	g := start(t, "access_log: {sampling: 0}\n"+to(app), log.use)
	c := g.dial()
	for _, status := range []int{200, 204, 301, 400, 404, 500, 503, 200} {
		c.send(get(fmt.Sprintf("/%d", status)))
		c.status(status)
	}
	g.idle(8)
	var kept []any
	for _, line := range log.lines(4) {
		kept = append(kept, line["status"])
	}
	if fmt.Sprint(kept) != "[400 404 500 503]" {
		t.Errorf("logged %v, want the errors", kept)
	}
}

func TestAccessLogSamplesAShare(t *testing.T) {
	log := newLog(t)
	g := start(t, "access_log: {sampling: 0.5, fields: [status]}\n"+to(echo(t)), log.use)
	c := g.dial()
	for range 400 {
		c.send(get("/"))
		c.status(200)
	}
	g.idle(400)
	log.Flush()
	// Six standard deviations on either side.
	if n := log.count(); n < 140 || n > 260 {
		t.Errorf("%d lines of 400, want about 200", n)
	}
}

// An answer that broke off is an error, whatever its status was.
func TestAccessLogSamplingKeepsBrokenAnswers(t *testing.T) {
	log := newLog(t)
	g := start(t, "access_log: {sampling: 0}\n"+to(replyOnce(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")),
		log.use)
	c := g.dial()
	c.send(get("/"))
	_ = rawRest(c)
	const written = float64(len("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
	if line := log.lines(1)[0]; line["status"] != 200.0 || line["flag"] != "UC" || line["bytes_written"] != written {
		t.Errorf("line = %v", line)
	}
}

// A tunnel is one line at its end, with all the bytes it carried.
func TestAccessLogOfATunnel(t *testing.T) {
	log := newLog(t)
	e := listen(t)
	g := start(t, to(e.addr), log.use)
	c := g.dial()
	c.send(upgrade + "early")
	up := e.accept()
	up.head()
	up.send(switched + "early")
	c.expect(answered + "early")
	c.send("ping")
	up.expect("earlyping")
	up.send("pong!")
	c.expect("pong!")
	c.finish()
	up.rest()
	up.finish()
	c.rest()
	line := log.lines(1)[0]
	if line["status"] != 101.0 || line["bytes_read"] != float64(len(upgrade)+len("earlyping")) ||
		line["bytes_written"] != float64(len(answered)+len("earlypong!")) {
		t.Errorf("line = %v", line)
	}
}

func TestAccessLogCountsPipelinedBytesApart(t *testing.T) {
	log := newLog(t)
	g := start(t, to(echo(t)), log.use)
	one, two := get("/one"), get("/number/two")
	g.talk(one + two)
	lines := log.lines(2)
	if lines[0]["bytes_read"] != float64(len(one)) || lines[1]["bytes_read"] != float64(len(two)) {
		t.Errorf("bytes_read = %v and %v, want %d and %d", lines[0]["bytes_read"], lines[1]["bytes_read"], len(one),
			len(two))
	}
}

func TestRequestIDOfTheLogIsTheEndpoints(t *testing.T) {
	log := newLog(t)
	g := start(t, to(echo(t)), log.use)
	for i, fields := range []string{"", "X-Request-Id:\r\n", "X-Request-Id: mine\r\nConnection: x-request-id\r\n"} {
		_, head := g.ask("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
		line := log.lines(i + 1)[i]
		id := field(head, "X-Request-Id")
		if line["request_id"] != id || !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(id) ||
			strings.Count(head, "X-Request-Id") != 1 {
			t.Errorf("after %q: logged %v, sent %q", fields, line["request_id"], head)
		}
	}
}

// A request of HTTP/2 that is turned away for its head has a line, and is counted, like any other.
func TestAccessLogOfRefusedHeads(t *testing.T) {
	log := newLog(t)
	g := start(t, to(echo(t)), log.use, headOf(1000))
	down := g.dial2()
	down.Ask(1, true, "GET", "/large?q=1", "x-big", strings.Repeat("x", 2000))
	down.Answer(1, "431")
	down.Text(1, "head is too large\n")
	down.Ask(3, true, "POST", "/malformed", "Upper-Case", "x")
	down.Reset(3, http2.ErrCodeProtocol)
	for _, want := range []map[string]any{
		{"method": "GET", "path": "/large", "query": "q=1", "host": "a.example", "status": 431.0},
		{"method": "POST", "path": "/malformed", "query": "", "host": "a.example", "status": 400.0},
	} {
		want["protocol"], want["flag"], want["listener"] = "HTTP/2.0", "DPE", "web"
		line := log.lineOf(2, "path", want["path"])
		for name, v := range want {
			if line[name] != v {
				t.Errorf("%s: %s = %v, want %v", want["path"], name, line[name], v)
			}
		}
	}
	g.counted(telemetry.DPE, 2)
	if n := g.registry.Route("").Requests(); n != 2 {
		t.Errorf("%d requests were counted, want 2", n)
	}
}
