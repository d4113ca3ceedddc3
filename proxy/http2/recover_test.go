package http2

import (
	"testing"
	"testing/synctest"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// brittle panics at requests that end with their head, and at the end of those that do not.
type brittle struct{ resets int }

type brittleStream struct {
	discard
	owner *brittle
}

func (x *brittle) Request(_ *Batch, _ *Stream, _ *message.Head, end bool) Receiver {
	if end {
		panic("a bug of ours")
	}
	return brittleStream{owner: x}
}

func (s brittleStream) Reset(*Batch, *Stream, ErrCode, error) {
	s.owner.resets++
	panic("another bug")
}

// TestPanicEndsTheConnection: whoever panics, the peer is told, every stream has its last event, and the goroutine
// lives to see it.
func TestPanicEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, told := new(brittle), 0
		p, _, ended := serverPeer(t, x, Options{Panicked: func(any, []byte) { told++ }})
		p.headers(1, false, post...)
		p.headers(3, false, post...)
		p.headers(5, true, get...)
		p.Want("GOAWAY 5 INTERNAL_ERROR")
		p.Want("end")
		if err := <-ended; !isConnError(err, InternalError) {
			t.Errorf("ended with %v, want INTERNAL_ERROR", err)
		}
		if x.resets != 2 || told != 3 {
			t.Errorf("%d streams had their last event, and %d panics were told of; want 2 and 3", x.resets, told)
		}
	})
}
