package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A reset goes on with its code, both ways and at every stage.
func TestResetsGoOn(t *testing.T) {
	for name, route := range ways {
		for _, code := range []http2.ErrCode{http2.ErrCodeCancel, http2.ErrCodeInternal, http2.ErrCodeEnhanceYourCalm} {
			t.Run(name+", "+code.String(), func(t *testing.T) { resetsGoOn(t, route, code) })
		}
	}
}

func resetsGoOn(t *testing.T, route string, code http2.ErrCode) {
	g, _, down, up := relaying(t, route)
	t.Log("the client, before the answer")
	down.Ask(3, false, "POST", "/")
	id := up.Any().StreamID
	down.Must(down.WriteData(3, false, []byte("some")))
	up.Text(id, "some")
	down.Must(down.WriteRSTStream(3, code))
	up.Reset(id, code)

	t.Log("the client, in the answer")
	down.Ask(5, true, "GET", "/")
	id = up.Any().StreamID
	up.Head(id, false, ":status", "200")
	down.Answer(5, "200")
	down.Must(down.WriteRSTStream(5, code))
	up.Reset(id, code)
	g.counted(telemetry.DC, 2)

	t.Log("the endpoint, in the answer")
	down.Ask(7, true, "GET", "/")
	id = up.Any().StreamID
	up.Head(id, false, ":status", "200")
	up.Must(up.WriteData(id, false, []byte("half")))
	down.Answer(7, "200")
	down.Text(7, "half")
	up.Must(up.WriteRSTStream(id, code))
	down.Reset(7, code)

	t.Log("the endpoint, before the answer")
	down.Ask(9, true, "GET", "/")
	id = up.Any().StreamID
	up.Must(up.WriteRSTStream(id, code))
	down.Answer(9, "502")
	down.Text(9, "upstream broke off\n")
	g.counted(telemetry.UC, 2)

	t.Log("the connections go on")
	down.Ask(11, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "204")
	down.Answer(11, "204")

	t.Log("the client, as if it were an endpoint that did nothing")
	down.Ask(13, false, "POST", "/")
	id = up.Any().StreamID
	down.Must(down.WriteRSTStream(13, http2.ErrCodeRefusedStream))
	up.Reset(id, http2.ErrCodeRefusedStream)
	down.Ask(15, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "204")
	down.Answer(15, "204")
	g.counted(telemetry.DC, 3)
}

// An endpoint that has answered wants no more of the request, and says so; so does the gateway to the client.
func TestEarlyAnswerIsPassedOn(t *testing.T) {
	_, _, down, up := relaying(t, "")
	down.Ask(3, false, "POST", "/", "content-length", "100000")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "413")
	up.Must(up.WriteData(id, true, []byte("too much")))
	up.Must(up.WriteRSTStream(id, http2.ErrCodeNo))
	down.Answer(3, "413")
	if !down.Text(3, "too much") {
		down.Text(3, "") // the end came alone
	}
	down.Reset(3, http2.ErrCodeNo)

	down.Ask(5, false, "POST", "/", "content-length", "100000")
	id = up.Any().StreamID
	up.Head(id, true, ":status", "401")
	up.Must(up.WriteRSTStream(id, http2.ErrCodeNo))
	down.Answer(5, "401")
	down.Reset(5, http2.ErrCodeNo)
}

// A client may have no window for the whole of an early response. It gets the rest of that before it hears that the
// rest of its request is not wanted.
func TestEarlyAnswerIsPassedOnWhole(t *testing.T) {
	_, _, down, up := relaying(t, "", http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	down.Ask(3, false, "POST", "/", "content-length", "100000")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "413")
	up.Must(up.WriteData(id, true, []byte("that is too much for us")))
	up.Must(up.WriteRSTStream(id, http2.ErrCodeNo))
	down.Answer(3, "413")
	down.Text(3, "that is to")
	up.Must(up.WritePing(false, [8]byte{1})) // whose answer comes when all of the above has been read
	if p, ok := up.next2().(*http2.PingFrame); !ok || !p.IsAck() {
		t.Fatal("no answer to the PING")
	}
	down.Must(down.WriteWindowUpdate(3, 1000))
	if !down.Text(3, "o much for us") {
		t.Error("the answer has no end")
	}
	down.Reset(3, http2.ErrCodeNo)
}

// Trailers that are larger than the receiving side takes end the exchange on both sides. It does not matter whether
// they could go on at once or had to wait for the data in front of them.
func TestTrailersThatAreNotTaken(t *testing.T) {
	large := strings.Repeat("x", 1200)
	for name, route := range map[string]string{"relayed": "", "with a goroutine": "retries: {on: [reset]}"} {
		for _, window := range []uint32{65535, 2} {
			t.Run(fmt.Sprint("of the answer, ", name, ", ", window), func(t *testing.T) {
				g, _, down, up := relaying(t, route, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000},
					http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
				down.Ask(3, true, "POST", "/", "content-type", "application/grpc")
				id := up.Any().StreamID
				up.Head(id, false, ":status", "200", "content-type", "application/grpc")
				up.Must(up.WriteData(id, false, []byte("body")))
				up.Head(id, true, "x-big", large)
				down.Answer(3, "200")
				if down.Text(3, "body"[:min(4, window)]); window < 4 {
					down.Must(down.WriteWindowUpdate(3, 100))
				}
				down.Reset(3, http2.ErrCodeInternal)
				if window > 4 || route != "" {
					g.counted(telemetry.DPE, 1)
				}
			})
			t.Run(fmt.Sprint("of the request, ", name, ", ", window), func(t *testing.T) {
				e := listen(t)
				g := start(t, clustered(route, "protocol: http2", e.addr))
				down := g.dial2()
				down.Ask(1, true, "GET", "/first")
				up := e.accept2(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000},
					http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
				up.Head(up.Any().StreamID, true, ":status", "200")
				down.Answer(1, "200")
				down.Ask(3, false, "POST", "/")
				id := up.Any().StreamID
				down.Must(down.WriteData(3, false, []byte("body")))
				if up.Text(id, "body"[:min(4, window)]); window < 4 {
					up.Must(up.WriteWindowUpdate(id, 100))
				}
				down.Head(3, true, "x-big", large)
				down.Answer(3, "431")
				g.counted(telemetry.DPE, 1)
			})
		}
	}
}

// What an endpoint gets of a client and a client of an endpoint, field by field.
func TestRelayedFields(t *testing.T) {
	_, _, down, up := relaying(t, "")
	down.Ask(3, false, "POST", "/a/%62?c=d", "cookie", "a=1", "te", "trailers", "cookie", "b=2", "content-length", "2",
		"x-forwarded-client-cert", "Hash=me")
	h := up.Any()
	for name, want := range map[string][]string{
		":authority": {"a.example"}, ":path": {"/a/%62?c=d"}, ":method": {"POST"}, "te": {"trailers"},
		"content-length": {"2"}, "x-forwarded-client-cert": nil,
		"x-forwarded-proto": {"http"}, "host": nil, "connection": nil, "transfer-encoding": nil,
	} {
		if got := values(h, name); !slices.Equal(got, want) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	down.Must(down.WriteData(3, true, []byte("ok")))
	up.Text(h.StreamID, "ok")
	up.Head(h.StreamID, false, ":status", "103", "link", "</x>; rel=preload")
	if got := values(down.Answer(3, "103"), "link"); len(got) != 1 {
		t.Errorf("link of the 103 = %q", got)
	}
	up.Head(h.StreamID, false, ":status", "200", "content-length", "2", "set-cookie", "a", "set-cookie", "b")
	up.Must(up.WriteData(h.StreamID, false, []byte("hi")))
	up.Head(h.StreamID, true, "x-sum", "1", "x-forwarded-for", "8.8.8.8")
	a := down.Answer(3, "200")
	if got := values(a, "set-cookie"); !slices.Equal(got, []string{"a", "b"}) ||
		!slices.Equal(values(a, "content-length"), []string{"2"}) {
		t.Errorf("answer = %v", a.Fields)
	}
	down.Text(3, "hi")
	if tr := down.Section(3); !slices.Equal(values(tr, "x-sum"), []string{"1"}) ||
		values(tr, "x-forwarded-for") != nil {
		t.Errorf("trailers = %v", tr.Fields)
	}
}

// A client that does not read stops the endpoint: no more is taken from it than the windows of both connections hold.
func TestSlowReaderHoldsTheEndpoint(t *testing.T) {
	_, _, down, up := relaying(t, "")
	down.Ask(3, true, "GET", "/")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "200")
	down.Answer(3, "200")
	// What the gateway gives in windows is what it can be made to hold. Our own is 65,535 bytes and stays so.
	sent, given := 0, 0
	piece := make([]byte, 16384)
	window := up.Window
	for quiet := 0; quiet < 5; {
		for min(window, up.Room)-sent >= len(piece) {
			up.Must(up.WriteData(id, false, piece))
			sent += len(piece)
		}
		// A PING comes back behind whatever windows the gateway gives for what it has read.
		up.Must(up.WritePing(false, [8]byte{1}))
		before := given
		for acked := false; !acked; {
			fr, err := up.ReadFrame()
			up.Must(err)
			switch fr := fr.(type) {
			case *http2.WindowUpdateFrame:
				if fr.StreamID == id {
					window += int(fr.Increment)
					given += int(fr.Increment)
				} else {
					up.Room += int(fr.Increment)
				}
			case *http2.PingFrame:
				acked = fr.IsAck()
			}
		}
		if quiet++; given != before {
			quiet = 0
		}
		if sent > 16<<20 {
			t.Fatalf("the endpoint could send %d bytes that nobody read", sent)
		}
	}
	t.Logf("%d bytes sent, windows of %d given on top", sent, given)
	if sent > 2<<20 {
		t.Errorf("the endpoint could send %d bytes that nobody read", sent)
	}
	down.Must(down.WriteRSTStream(3, http2.ErrCodeCancel))
	up.Reset(id, http2.ErrCodeCancel)
}

// An endpoint that goes away lets its streams finish; new ones go on another connection.
func TestEndpointGoesAway(t *testing.T) {
	_, e, down, up := relaying(t, "")
	down.Ask(3, true, "GET", "/before")
	last := up.Any().StreamID
	up.Must(up.WriteGoAway(last, http2.ErrCodeNo, nil))
	up.Must(up.WritePing(false, [8]byte{7}))
	if p, ok := up.next2().(*http2.PingFrame); !ok || !p.IsAck() {
		t.Fatal("no answer to the PING")
	}
	down.Ask(5, true, "GET", "/after")
	other := e.accept2()
	other.Head(other.Any().StreamID, true, ":status", "201")
	down.Answer(5, "201")
	up.Head(last, true, ":status", "200")
	down.Answer(3, "200")
}

// next2 is next that gives the answer to a PING too.
func (f *frames) next2() http2.Frame {
	f.t.Helper()
	for {
		fr, err := f.ReadFrame()
		f.Must(err)
		switch fr.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
		default:
			return fr
		}
	}
}

// unprocessed has the endpoint say that it has not processed a stream, and returns the connection on which the
// request comes again.
func unprocessed(e *endpoint, up *frames, id uint32, how string) *frames {
	up.t.Helper()
	if how == "GOAWAY" {
		up.Must(up.WriteGoAway(id-2, http2.ErrCodeNo, nil))
		return e.accept2()
	}
	up.Must(up.WriteRSTStream(id, http2.ErrCodeRefusedStream))
	return up
}

// A stream that the endpoint has not processed, as it says, is sent again as long as nothing of its body is lost. No
// client need hear of it, and it is no failure of the endpoint.
func TestUnprocessedStreams(t *testing.T) {
	for _, how := range []string{"REFUSED_STREAM", "GOAWAY"} {
		t.Run(how, func(t *testing.T) {
			g, e, down, up := relaying(t, "")
			t.Log("a request without a body")
			down.Ask(3, true, "POST", "/")
			up = unprocessed(e, up, up.Any().StreamID, how)
			id := up.Any().StreamID
			up.Head(id, false, ":status", "200")
			up.Must(up.WriteData(id, true, []byte("hello")))
			down.Answer(3, "200")
			if !down.Text(3, "hello") {
				down.Text(3, "") // the end came alone
			}

			t.Log("a request whose body is still to come")
			down.Ask(5, false, "POST", "/")
			up = unprocessed(e, up, up.Any().StreamID, how)
			id = up.Any().StreamID
			down.Must(down.WriteData(5, false, []byte("body")))
			up.Text(id, "body")
			down.Head(5, true, "x-sum", "1")
			if tr := up.Section(id); !slices.Equal(values(tr, "x-sum"), []string{"1"}) {
				t.Errorf("trailers = %v", tr.Fields)
			}
			up.Head(id, true, ":status", "201")
			down.Answer(5, "201")

			t.Log("a client that goes away after that")
			down.Ask(7, false, "POST", "/")
			up = unprocessed(e, up, up.Any().StreamID, how)
			id = up.Any().StreamID
			down.Must(down.WriteRSTStream(7, http2.ErrCodeCancel))
			up.Reset(id, http2.ErrCodeCancel)
			g.counted(telemetry.DC, 1)

			if n := g.set.Status()[0].Endpoints[0].Passive.Failures; n != 0 || g.faults(telemetry.UC) != 0 {
				t.Errorf("%d failures of the endpoint and %d faults, want none", n, g.faults(telemetry.UC))
			}
		})
	}
}

// Where more of the body has gone on than is kept, only the client can send the request again, and is told so.
func TestUnprocessedStreamWithABody(t *testing.T) {
	g, _, down, up := relaying(t, "")
	down.Ask(3, false, "POST", "/")
	id := up.Any().StreamID
	body := strings.Repeat("body", 1000)
	down.Must(down.WriteData(3, false, []byte(body)))
	up.Text(id, body)
	up.Must(up.WriteRSTStream(id, http2.ErrCodeRefusedStream))
	down.Reset(3, http2.ErrCodeRefusedStream)
	g.counted(telemetry.UC, 1)
	if n := g.set.Status()[0].Endpoints[0].Passive.Failures; n != 0 {
		t.Errorf("%d failures of the endpoint, want none", n)
	}
	down.Ask(5, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(5, "200")
}

// A refusal that comes when the caller's time is up is told as such, and changes nothing for the next.
func TestUnprocessedAfterTheDeadline(t *testing.T) {
	_, _, down, up := relaying(t, "")
	for id := uint32(3); id < 43; id += 2 { // mostly the deadline has passed by then, and nobody has looked yet
		down.Ask(id, true, "POST", "/", "content-type", "application/grpc", "grpc-timeout", "1m")
		at := time.Now()
		in, ok := up.Next().(*http2.MetaHeadersFrame)
		for !ok { // a reset: somebody had looked in time
			in, ok = up.Next().(*http2.MetaHeadersFrame)
		}
		for time.Since(at) < 1500*time.Microsecond {
			runtime.Gosched()
		}
		up.Must(up.WriteRSTStream(in.StreamID, http2.ErrCodeRefusedStream))
		down.Section(id)
	}
	g := start(t, routed(replies(t, ""), "timeouts: {upstream: "+short.String()+"}"))
	if res, body := g.ask(get("/")); res.StatusCode != 504 {
		t.Errorf("an upstream timeout of another gateway = %d %q, want 504", res.StatusCode, body)
	}
}

// A response that breaks the rules is told as such, counts against the endpoint, and is no reason to send the request
// once more. The connection was not closed while it was idle.
func TestMalformedAnswersOfHTTP2(t *testing.T) {
	for name, fields := range map[string][]string{
		"connection-specific field": {":status", "200", "connection", "close"},
		"no status":                 {"x-sum", "1"},
		"too large":                 {":status", "200", "x-big", strings.Repeat("x", 8000)},
		"breaks the connection":     nil,
	} {
		for _, client := range []string{"HTTP/2", "HTTP/1.1"} {
			t.Run(name+", "+client, func(t *testing.T) {
				e := listen(t)
				g := start(t, clustered("", "protocol: http2", e.addr), func(o *proxy.Options) { o.MaxHead = 4000 })
				down, old := g.dial2(), g.dial()
				down.Ask(1, true, "GET", "/first")
				up := e.accept2()
				up.Head(up.Any().StreamID, true, ":status", "200")
				down.Answer(1, "200")
				g.failures(1) // the success of the first request is known
				if client == "HTTP/2" {
					down.Ask(3, true, "GET", "/")
				} else {
					old.send(get("/"))
				}
				if id := up.Any().StreamID; fields != nil {
					up.Head(id, true, fields...)
				} else {
					up.Must(up.WriteRawFrame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, id,
						make([]byte, 5)))
				}
				if client == "HTTP/2" {
					down.Answer(3, "502")
				} else {
					old.status(502)
				}
				g.counted(telemetry.UPE, 1)
				if n := g.faults(telemetry.DPE); n != 0 {
					t.Errorf("faults DPE = %d, want none: it was not the client", n)
				}
				if n := g.set.Status()[0].Endpoints[0].Passive.Failures; n != 1 {
					t.Errorf("%d failures of the endpoint, want 1", n)
				}
				e.unused()
				if fields != nil {
					up.Must(up.WritePing(false, [8]byte{1})) // whose answer would come behind another request
					if r, ok := up.next2().(*http2.RSTStreamFrame); !ok {
						t.Errorf("got %v, want the stream reset", r)
					}
					if p, ok := up.next2().(*http2.PingFrame); !ok || !p.IsAck() {
						t.Errorf("got %v, want the answer to the PING", p)
					}
				}
			})
		}
	}
}

// An endpoint's limit of streams is kept: what does not fit goes on a second connection.
func TestStreamLimitOfTheEndpoint(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "protocol: http2", e.addr))
	down := g.dial2()
	down.Ask(1, true, "GET", "/")
	limit := http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2}
	up := e.accept2(limit)
	first := up.Any().StreamID
	up.Head(first, true, ":status", "200")
	down.Answer(1, "200") // so the limit is known by now
	var open []uint32
	for i := range 2 {
		down.Ask(uint32(3+2*i), true, "GET", fmt.Sprintf("/%d", i))
		open = append(open, up.Any().StreamID)
	}
	down.Ask(7, true, "GET", "/2")
	second := e.accept2(limit)
	second.Head(second.Any().StreamID, true, ":status", "202")
	down.Answer(7, "202")
	for i, id := range open {
		up.Head(id, true, ":status", "200")
		down.Answer(uint32(3+2*i), "200")
	}
	e.unused()
}

// A request whose head is larger than the endpoint takes is the client's fault: whoever sends it must not get an
// endpoint ejected.
func TestRequestHeadThatTheEndpointDoesNotTake(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "protocol: http2, passive_health: {consecutive_failures: 1}", e.addr))
	down, old := g.dial2(), g.dial()
	down.Ask(1, true, "GET", "/first")
	up := e.accept2(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000})
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	large := strings.Repeat("x", 2000)
	down.Ask(3, true, "GET", "/", "x-big", large)
	down.Answer(3, "431")
	old.send("GET / HTTP/1.1\r\nHost: a.example\r\nX-Big: " + large + "\r\n\r\n")
	old.status(431)
	g.counted(telemetry.DPE, 2)
	if s := g.set.Status()[0].Endpoints[0].Passive; s.Failures != 0 {
		t.Errorf("%d failures of the endpoint, want none", s.Failures)
	}
	e.unused()
}

// Each stream has its own time; the others and the connection live on.
func TestStreamTimesOut(t *testing.T) {
	g, _, down, up := relaying(t, "timeouts: {upstream: "+short.String()+"}")
	down.Ask(3, true, "GET", "/slow")
	slow := up.Any().StreamID
	down.Answer(3, "504")
	down.Text(3, "upstream timeout\n")
	up.Reset(slow, http2.ErrCodeCancel)
	g.counted(telemetry.UT, 1)
	up.Sync() // it has been asked whether it is there, and believed
	down.Ask(5, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(5, "200")
}

// A client's connection that breaks ends its streams upstream at once.
func TestClientConnectionBreaks(t *testing.T) {
	g, _, down, up := relaying(t, "")
	down.Ask(3, true, "GET", "/")
	down.Ask(5, false, "POST", "/")
	a, b := up.Any().StreamID, up.Any().StreamID
	down.w.reset()
	seen := map[uint32]bool{}
	for range 2 {
		r, ok := up.Next().(*http2.RSTStreamFrame)
		if !ok {
			t.Fatalf("got %v, want a reset", r)
		}
		seen[r.StreamID] = true
	}
	if !seen[a] || !seen[b] {
		t.Errorf("reset: %v, want %d and %d", seen, a, b)
	}
	testserver.WaitFor(t, patience, "the faults", func() bool { return g.faults(telemetry.DC) == 2 })
}

// Exchanges of one client end on the reading goroutines of several endpoints, and each has a line of its own.
func TestRelayedExchangesAreLogged(t *testing.T) {
	log := newLog(t)
	h := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	g := start(t, clustered("", "protocol: http2", versionBackend(t, true, h), versionBackend(t, true, h)), log.use)
	c := versionClient(t, true)
	const workers, each = 8, 150
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				res, err := c.Get(fmt.Sprintf("http://%s/%d/%d", g.addr, w, i))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	seen := map[any]int{}
	for _, l := range log.lines(workers * each) {
		seen[l["path"]]++
	}
	for w := range workers {
		for i := range each {
			if path := fmt.Sprintf("/%d/%d", w, i); seen[path] != 1 {
				t.Errorf("%s was logged %d times", path, seen[path])
			}
		}
	}
}

// A response whose head is larger than the client takes is no response for that client. The exchange ends on both
// sides, and nothing else does.
func TestAnswerHeadThatTheClientDoesNotTake(t *testing.T) {
	for name, route := range map[string]string{"relayed": "", "with a goroutine": "retries: {on: [reset]}"} {
		t.Run(name, func(t *testing.T) {
			g, _, down, up := relaying(t, route, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 100})
			down.Ask(3, true, "GET", "/")
			id := up.Any().StreamID
			up.Head(id, false, ":status", "103", "link", strings.Repeat("x", 200)) // left out
			up.Head(id, false, ":status", "200", "x-big", strings.Repeat("x", 200))
			up.Must(up.WriteData(id, false, []byte("some body")))
			down.Reset(3, http2.ErrCodeInternal)
			up.Reset(id, http2.ErrCodeCancel)
			g.counted(telemetry.DPE, 1)
			down.Must(down.WriteRSTStream(3, http2.ErrCodeCancel)) // may have been on its way
			down.Ask(5, true, "GET", "/")
			up.Head(up.Any().StreamID, true, ":status", "204")
			down.Answer(5, "204")
		})
	}
}
