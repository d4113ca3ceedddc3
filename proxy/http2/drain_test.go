package http2

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// TestShutdown: what was sent before the client heard of it is served, what comes later is not, and the end is orderly.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, ended := serverPeer(t, echo{}, Options{})
		p.write(p.WriteSettingsAck())
		p.headers(1, false, post...)
		p.Want("HEADERS 1 :status: 200")
		srv.Shutdown()
		p.Want("GOAWAY 2147483647 NO_ERROR")
		p.Want("PING drain")
		p.headers(3, false, post...) // on its way when the first GOAWAY came
		p.Want("HEADERS 3 :status: 200")
		p.write(p.WritePing(true, pingDrain))
		p.Want("GOAWAY 3 NO_ERROR")
		p.headers(5, false, post...) // the client should know better: ignored
		p.data(5, true, 10)
		p.data(1, true, 10)
		p.Want("DATA 1 10 end")
		select {
		case err := <-ended:
			t.Fatalf("ended with %v before its last stream", err)
		default:
		}
		p.data(3, true, 20)
		p.Want("DATA 3 20 end")
		p.Want("end")
		if err := <-ended; !errors.Is(err, ErrDrained) {
			t.Errorf("ended with %v, want ErrDrained", err)
		}
	})
}

// TestShutdownOfSilentClient: a client that does not answer the PING is told the last stream after DrainWait.
func TestShutdownOfSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, ended := serverPeer(t, echo{}, Options{})
		p.Want("SETTINGS ack")
		began := time.Now()
		srv.Shutdown()
		p.Want("GOAWAY 2147483647 NO_ERROR")
		p.Want("GOAWAY 0 NO_ERROR")
		took(t, began, time.Second)
		p.Want("end")
		if err := <-ended; !errors.Is(err, ErrDrained) {
			t.Errorf("ended with %v, want ErrDrained", err)
		}
	})
}

// TestDrainWritesEverything: the end of the last stream does not cut off what the client has not read yet.
func TestDrainWritesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, _ := serverPeer(t, &source{bytes: 60_000}, Options{})
		p.headers(1, true, get...)
		synctest.Wait() // the pipe takes nothing, so all of it waits
		srv.Shutdown()
		p.write(p.WritePing(true, pingDrain))
		synctest.Wait()
		got := 0
		for {
			f, err := p.ReadFrame()
			if err != nil {
				break
			}
			if d, ok := f.(*xhttp2.DataFrame); ok {
				got += len(d.Data())
				<-time.After(100 * time.Millisecond)
			}
		}
		if got != 60_000 {
			t.Errorf("%d bytes came, want 60000", got)
		}
	})
}

// events records what a receiver is told.
type events struct {
	t   *testing.T
	log chan string
}

func newEvents(t *testing.T) *events { return &events{t, make(chan string, 100)} }

func (e *events) Head(_ *Batch, _ *Stream, h *message.Head, end bool) {
	s := "head " + string(rune('0'+h.Status/100)) + "xx"
	if end {
		s += " end"
	}
	e.log <- s
}
func (e *events) Data(b *Batch, s *Stream, p []byte, end bool) {
	s.Consumed(b, len(p))
	if end {
		e.log <- "data end"
		return
	}
	e.log <- "data"
}
func (e *events) Trailers(*Batch, *Stream, *message.Head) { e.log <- "trailers" }
func (e *events) Reset(_ *Batch, _ *Stream, code ErrCode, cause error) {
	s := "reset " + code.String()
	if errors.Is(cause, ErrUnprocessed) {
		s += " unprocessed"
	}
	e.log <- s
}
func (e *events) Writable(*Batch, *Stream) { e.log <- "writable" }
func (e *events) Timeout(*Batch, *Stream)  { e.log <- "timeout" }

func (e *events) want(s string) {
	e.t.Helper()
	if got := <-e.log; got != s {
		e.t.Fatalf("event %q, want %q", got, s)
	}
}
