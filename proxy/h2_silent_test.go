package proxy_test

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// An HTTP/2 connection whose path has gone silent, without FIN or RST, gets no more requests after the first that is
// not answered in time. The next goes out on a fresh connection.
func TestConnectionThatWentSilent(t *testing.T) {
	for name, options := range map[string]string{"relayed": "", "with a goroutine": `, retries: {on: ["503"]}`} {
		t.Run(name, func(t *testing.T) {
			_, e, down, silent := relaying(t, "timeouts: {upstream: 200ms}"+options)
			down.Ask(3, true, "GET", "/lost")
			lost := silent.Any().StreamID
			down.Answer(3, "504")
			down.Text(3, "upstream timeout\n")

			down.Ask(5, true, "GET", "/next")
			fresh := e.accept2()
			fresh.Head(fresh.Any().StreamID, true, ":status", "200")
			down.Answer(5, "200")
			silent.Reset(lost, http2.ErrCodeCancel) // it is asked whether it is there, too
		})
	}
}

// Clients with less patience than our timeouts find a path that went silent as well.
func TestConnectionThatWentSilentToTheImpatient(t *testing.T) {
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			_, e, down, silent := relaying(t, options)
			down.Ask(3, true, "GET", "/lost")
			lost := silent.Any().StreamID
			<-time.After(1100 * time.Millisecond)
			down.Must(down.WriteRSTStream(3, http2.ErrCodeCancel))
			asked := false
			for !asked { // not by silent.Next, which answers
				f, err := silent.ReadFrame()
				down.Must(err)
				asked = f.Header().Type == http2.FramePing
			}

			down.Ask(5, true, "GET", "/next")
			fresh := e.accept2()
			fresh.Head(fresh.Any().StreamID, true, ":status", "200")
			down.Answer(5, "200")
			silent.Reset(lost, http2.ErrCodeCancel)
		})
	}
}
