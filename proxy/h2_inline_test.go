package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// mixed answers a request by what its path asks for, and goes on on the same connection where that can be.
func mixed(t testing.TB) string {
	big := strings.Repeat("0123456789abcdef", 512)
	return script(t, func(w *wire) {
		for {
			head, err := readHead(w.r)
			if err != nil {
				return
			}
			path := strings.Fields(head)[1]
			answer := ""
			switch kind, _, _ := strings.Cut(path[1:], "/"); kind {
			case "sized":
				answer = ok(path)
			case "big":
				answer = ok(big)
			case "empty":
				answer = "HTTP/1.1 204 No Content\r\n\r\n"
			case "head":
				answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
			case "chunked":
				answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
					fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(path), path)
			case "interim":
				answer = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(path)
			case "parts":
				answer = "HTTP/1.1 200 OK\r\nContent-Le"
				if _, err := io.WriteString(w, answer); err != nil {
					return
				}
				answer = strings.TrimPrefix(ok(path), answer)
			case "malformed":
				answer = "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"
			case "last":
				_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+path)
				return
			case "gone":
				return
			}
			if _, err := io.WriteString(w, answer); err != nil {
				return
			}
		}
	})
}

// Streams that come together are answered by whoever sees their answer first, the reading goroutine or one of their
// own. Nobody can tell by which.
func TestStreamsThatComeTogether(t *testing.T) {
	log := newLog(t)
	g := start(t, to(mixed(t)), log.use)
	kinds := []string{"sized", "big", "empty", "head", "chunked", "sized", "interim", "parts", "malformed", "last",
		"gone", "sized"}
	const each, rounds = 2, 40
	c := g.dial2()
	id, wantLines := uint32(1), 0
	for range rounds {
		asked := map[uint32]string{}
		var heads bytes.Buffer
		c.To(&heads)
		for range each {
			for _, kind := range kinds {
				method := map[bool]string{true: "HEAD", false: "GET"}[kind == "head"]
				asked[id] = "/" + kind + "/" + fmt.Sprint(id)
				c.Ask(id, true, method, asked[id])
				id += 2
			}
		}
		wantLines += len(asked)
		c.To(c.w)
		c.w.send(heads.String())
		c.collect(asked)
	}
	for _, l := range log.lines(wantLines) {
		kind := strings.Split(l["path"].(string), "/")[1]
		want := map[string]string{"malformed": "UPE", "gone": "UC"}[kind]
		if l["flag"] != want || l["attempts"] != 1.0 || l["protocol"] != "HTTP/2.0" {
			t.Errorf("%s was logged as %v", kind, l)
		}
	}
	if n := g.registry.Route("all").Requests(); n != int64(wantLines) {
		t.Errorf("%d requests were counted, want %d", n, wantLines)
	}
	if g.faults(telemetry.UPE) != rounds*each || g.faults(telemetry.UC) != rounds*each {
		t.Errorf("%d faults UPE and %d UC, want %d each", g.faults(telemetry.UPE), g.faults(telemetry.UC), rounds*each)
	}
}

// collect reads the answers to all that was asked of mixed, in whatever order they come.
func (f *frames) collect(asked map[uint32]string) {
	f.t.Helper()
	status, body := map[uint32]string{}, map[uint32]*strings.Builder{}
	for len(asked) > 0 {
		id, end := uint32(0), false
		switch fr := f.Next().(type) {
		case *http2.MetaHeadersFrame:
			id, end = fr.StreamID, fr.StreamEnded()
			status[id] += fr.PseudoValue("status") + " "
			body[id] = new(strings.Builder)
		case *http2.DataFrame:
			id, end = fr.StreamID, fr.StreamEnded()
			body[id].Write(fr.Data())
			if n := uint32(len(fr.Data())); n > 0 {
				f.Must(f.WriteWindowUpdate(0, n))
			}
		default:
			f.t.Fatalf("got %v", fr)
		}
		if !end {
			continue
		}
		path := asked[id]
		delete(asked, id)
		wantStatus, wantBody := "200 ", path
		switch kind := strings.Split(path, "/")[1]; kind {
		case "big":
			wantBody = strings.Repeat("0123456789abcdef", 512)
		case "empty":
			wantStatus, wantBody = "204 ", ""
		case "head":
			wantBody = ""
		case "interim":
			wantStatus = "103 200 "
		case "malformed":
			wantStatus, wantBody = "502 ", "malformed upstream response\n"
		case "gone":
			wantStatus, wantBody = "502 ", "upstream broke off\n"
		}
		if status[id] != wantStatus || body[id].String() != wantBody {
			f.t.Fatalf("%s: status %sbody %.40q, want %sand %.40q", path, status[id], body[id], wantStatus, wantBody)
		}
	}
}

// A response that the client's window does not take waits for the window. A client that has gone by then is no fault
// of the endpoint's.
func TestStreamsThatComeTogetherWithSmallWindows(t *testing.T) {
	g := start(t, to(mixed(t)))
	c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	for round := range uint32(10) {
		first := 1 + 8*round
		for i := range uint32(4) {
			c.Ask(first+2*i, true, "GET", "/sized/"+strings.Repeat("x", 20))
		}
		for i := range uint32(4) {
			c.Must(c.WriteWindowUpdate(first+2*i, 5))
		}
		pending := map[uint32]int{first: 0, first + 2: 0, first + 4: 0, first + 6: 0}
		for sum := 0; sum < 4*15; {
			switch fr := c.Next().(type) {
			case *http2.MetaHeadersFrame:
			case *http2.DataFrame:
				sum += len(fr.Data())
				pending[fr.StreamID] += len(fr.Data())
			default:
				t.Fatalf("got %v", fr)
			}
		}
		for id, n := range pending {
			if n != 15 {
				t.Fatalf("stream %d has had %d bytes, want 15", id, n)
			}
			c.Must(c.WriteRSTStream(id, http2.ErrCodeCancel))
		}
		g.counted(telemetry.DC, 4*int64(round+1))
	}
	if ep := g.set.Status()[0].Endpoints[0]; ep.Passive.Failures != 0 {
		t.Errorf("the endpoint is blamed: %+v", ep.Passive)
	}
}

// An answer that has begun and does not go on holds up nobody else on its connection.
func TestStreamsThatComeTogetherWithASlowOne(t *testing.T) {
	for name, begun := range map[string]string{"body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome",
		"interim": "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			release := make(chan string)
			defer close(release)
			g := start(t, to(script(t, func(w *wire) {
				for {
					head, err := readHead(w.r)
					if err != nil {
						return
					}
					answer := ok("quick")
					if strings.HasPrefix(head, "GET /slow") {
						_, _ = io.WriteString(w, begun)
						answer = <-release
					}
					if _, err := io.WriteString(w, answer); err != nil {
						return
					}
				}
			})))
			c := g.dial2()
			id := uint32(1)
			const streams = 60 // so many that the first is answered by the time that answers are looked for
			for range 10 {
				slow := id
				var heads bytes.Buffer
				c.To(&heads)
				for range streams {
					c.Ask(id, true, "GET", map[bool]string{true: "/slow", false: "/quick"}[id == slow])
					id += 2
				}
				c.To(c.w)
				c.w.send(heads.String())
				for ended := 1; ended < streams; {
					if fr, ok := c.Next().(*http2.DataFrame); ok && fr.StreamEnded() {
						ended++
					}
				}
				release <- map[string]string{"body": " more", "interim": ok("some more")}[name]
				for done := false; !done; {
					fr, ok := c.Next().(*http2.DataFrame)
					done = ok && fr.StreamID == slow && fr.StreamEnded()
				}
			}
		})
	}
}

// A client that resets its stream in the same breath is noticed.
func TestStreamsThatAreResetAtOnce(t *testing.T) {
	g := start(t, to(script(t, func(w *wire) {
		head, err := readHead(w.r)
		for ; err == nil && !strings.HasPrefix(head, "GET /never"); head, err = readHead(w.r) {
			_, _ = io.WriteString(w, ok("x"))
		}
		_, _ = readHead(w.r) // until the gateway closes
	})))
	c := g.dial2()
	for i := range uint32(5) {
		id := 1 + 4*i
		c.Ask(id, true, "GET", "/warm")
		c.Answer(id, "200")
		c.Text(id, "x")
		var both bytes.Buffer
		c.To(&both)
		c.Ask(id+2, true, "GET", "/never")
		c.Must(c.WriteRSTStream(id+2, http2.ErrCodeCancel))
		c.To(c.w)
		c.w.send(both.String())
		g.counted(telemetry.DC, int64(i+1))
	}
}
