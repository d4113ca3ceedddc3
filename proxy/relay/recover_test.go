package relay

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A panic where a relay is started ends that request alone, and gives back all that it was given. That is its lease,
// its places in the queue and in the gauge, and its place on the connection to the endpoint, which has one.
func TestPanicInStart(t *testing.T) {
	for name, breaks := range map[string]func(*forward.ConnH2, *forward.Given){
		"before the stream is opened": func(_ *forward.ConnH2, g *forward.Given) { g.Decision.Route = nil },
		"behind": func(c *forward.ConnH2, _ *forward.Given) {
			c.Client.Listener = &route.Listener{}
		},
		"behind, and its record too": func(c *forward.ConnH2, _ *forward.Given) { c.Client.Listener = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, breaks)
			down, up := r.warm(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 1})
			down.Ask(3, true, "GET", "/broken")
			down.Reset(3, xhttp2.ErrCodeInternal)
			if r := <-r.relays; r != nil {
				t.Fatal("the relay has begun")
			}
			r.returned()
			if n := r.engine.Registry.Panics.Count(telemetry.L7); n != 1 {
				t.Errorf("%d panics were counted, want 1", n)
			}
			down.Ask(5, true, "GET", "/good")
			if r := <-r.relays; r == nil {
				t.Fatal("the next request is not relayed")
			}
			up.Head(request(up, "/good"), true, ":status", "200")
			down.Answer(5, "200")
			r.returned()
		})
	}
}

// request reads on until the request for that path comes, and returns its stream.
func request(p *testpeer.Peer, path string) uint32 {
	for {
		if h, ok := p.Next().(*xhttp2.MetaHeadersFrame); ok && h.PseudoValue("path") == path {
			return h.StreamID
		}
	}
}

// A panic in an event, with the relay's lock held, ends the connection whose event it was, and no other. The request's
// other stream is reset, and what it was given is given back.
func TestPanicInAnEvent(t *testing.T) {
	noRoute := func(r *relay) { r.decision.Route = nil }
	noTable := func(r *relay) { r.decision.Table = nil } // the record panics, behind all else
	none := func(*relay) {}
	for _, tt := range []struct {
		name   string
		begun  bool // the head of the response has passed
		breaks func(*relay)
		event  func(down, up *testpeer.Peer, id uint32)
		of     string // whose event it is
		status int    // of gRPC, that is recorded; 0: the record is what panics
	}{
		{"head of the response", false, noRoute,
			func(_, up *testpeer.Peer, id uint32) { up.Head(id, false, ":status", "200") }, "endpoint", 13},
		{"head that is all", false, noTable, func(_, up *testpeer.Peer, id uint32) {
			up.Head(id, true, ":status",
				"200")
		}, "endpoint", 0},
		{"end of the response", true, noTable,
			func(_, up *testpeer.Peer, id uint32) { up.Must(up.WriteData(id, true, []byte("x"))) }, "endpoint", 0},
		{"trailers of the response", true, noTable,
			func(_, up *testpeer.Peer, id uint32) { up.Head(id, true, "x-sum", "1") }, "endpoint", 0},
		{"reset by the endpoint", false, none,
			func(_, up *testpeer.Peer, id uint32) { up.Must(up.WriteRSTStream(id, xhttp2.ErrCodeCancel)) },
			"endpoint", 13},
		{"reset by the endpoint, behind the head", true, none,
			func(_, up *testpeer.Peer, id uint32) { up.Must(up.WriteRSTStream(id, xhttp2.ErrCodeCancel)) },
			"endpoint", 13},
		{"data of the request", false, noTable,
			func(down, _ *testpeer.Peer, _ uint32) { down.Must(down.WriteData(3, false, []byte("x"))) }, "client", 0},
		{"trailers of the request", false, noTable,
			func(down, _ *testpeer.Peer, _ uint32) { down.Head(3, true, "x-sum", "1") }, "client", 0},
		{"reset by the client", false, noTable,
			func(down, _ *testpeer.Peer, _ uint32) { down.Must(down.WriteRSTStream(3, xhttp2.ErrCodeCancel)) },
			"client", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			down, up := r.warm()
			kind := "text/plain"
			if tt.status > 0 {
				kind = "application/grpc"
			}
			down.Ask(3, false, "POST", "/", "content-type", kind)
			broken := <-r.relays
			id := up.Any().StreamID
			if tt.begun {
				up.Head(id, false, ":status", "200")
				down.Answer(3, "200")
			}
			broken.mu.Lock()
			tt.breaks(broken)
			broken.mu.Unlock()
			r.warns.Store(true)
			tt.event(down, up, id)
			r.returned()
			r.warns.Store(false)
			testserver.WaitFor(t, patience, "the panic to be counted", func() bool {
				return r.engine.Registry.Panics.Count(telemetry.L7) > 0
			})
			ended, other, stream := up, down, uint32(3)
			if tt.of == "client" {
				ended, other, stream = down, up, id
			}
			over(t, ended)
			reset(t, other, stream)
			broken.mu.Lock()
			if got := broken.record.GRPCStatus; tt.status > 0 && got != tt.status {
				t.Errorf("recorded gRPC status %d, want %d", got, tt.status)
			}
			broken.mu.Unlock()

			if tt.of == "client" {
				down = r.dial()
			}
			down.Ask(5, true, "GET", "/first")
			if tt.of == "endpoint" {
				up = r.accept()
			}
			up.Head(request(up, "/first"), true, ":status", "200")
			down.Answer(5, "200")
			r.returned()
		})
	}
}

// over reads on to the end of a connection that has ended with INTERNAL_ERROR.
func over(t *testing.T, p *testpeer.Peer) {
	t.Helper()
	said := false
	for {
		fr, err := p.ReadFrame()
		if errors.Is(err, io.EOF) && said {
			return
		}
		if err != nil {
			t.Fatalf("%v, want a GOAWAY with INTERNAL_ERROR and the end (the former has come: %v)", err, said)
		}
		away, ok := fr.(*xhttp2.GoAwayFrame)
		said = said || ok && away.ErrCode == xhttp2.ErrCodeInternal
	}
}

// reset reads on until the stream is reset.
func reset(t *testing.T, p *testpeer.Peer, id uint32) {
	t.Helper()
	for {
		switch fr := p.Next().(type) {
		case *xhttp2.RSTStreamFrame:
			if fr.StreamID == id {
				return
			}
		case *xhttp2.GoAwayFrame:
			t.Fatalf("the connection has ended: %v", fr)
		}
	}
}

// The two connections of a request have a goroutine each. One may find out how the response ended while the other
// finds that the request has failed. The race detector fails this test where what one reads is not guarded from the
// other.
func TestEndWhileFailing(t *testing.T) {
	r := newRig(t, nil)
	gone := &route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "client went away"}
	for range 200 {
		x := &relay{conn: &forward.ConnH2{Engine: r.engine,
			Client: route.Client{Listener: &route.Listener{Telemetry: r.listener}}}}
		x.decision = route.Decision{Table: r.engine.Table(), Upstream: r.upstream, GRPC: true}
		x.mu.Lock()
		if err := x.attempt.Pick(&x.decision); err != nil {
			t.Fatal(err)
		}
		x.attempt.Begin(1)
		x.record = forward.NewRecord(1)
		x.record.Begin(&x.conn.Client, telemetry.MethodPost)
		x.response, x.record.Status, x.attempt.HeadAt = streaming, 200, 2
		x.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { x.fail(new(http2.Batch), gone) })
		both.Go(func() { x.end() })
		both.Wait()
		r.returned()
		x.mu.Lock()
		if x.response != done {
			t.Error(fmt.Sprint("the request has not ended: ", x.response))
		}
		x.mu.Unlock()
	}
}
