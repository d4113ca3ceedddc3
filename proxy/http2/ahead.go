package http2

import (
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// What endpoints send ahead of a client that takes nothing is held here, so it is bounded for each connection of a
// client. A stream to an endpoint begins with a small window. Its first bytes that were passed on widen it, as far as
// the client's connection has something left of what its streams may have together.

// aheadFirst is the first window of a stream to an endpoint, in bytes: half of a pooled buffer.
const aheadFirst = netio.HalfSize

// aheadMost is how many bytes the windows of the streams to endpoints may grow by, for all streams of one client's
// connection together.
const aheadMost = 192 << 10

// wideStreams is for how many streams an endpoint is taken to send large responses, after one of them.
const wideStreams = 64

// widenAtOnce gives the new stream s to an endpoint the protocol's own window where large responses are to be expected.
// So they do not wait for a round trip after their first bytes. The client's connection must have that left.
//
// +checklocks:s.c.mu
func (s *Stream) widenAtOnce() {
	c, f := s.c, &s.flow
	if c.flow.wide == 0 {
		return
	}
	c.flow.wide--
	more := s.dst.grantAhead(min(defaultWindow, c.opt.StreamWindow) - f.most)
	if more <= 0 {
		return
	}
	f.most += more
	f.window += more
	c.appendControl(13)
	c.out.b = appendWindowUpdate(c.out.b, s.id, more)
}

// ahead is what a client's connection has granted of aheadMost. Its lock is taken under any connection's, and none is
// taken under it.
type ahead struct {
	mu sync.Mutex
	// +checklocks:mu
	granted int
}

// aheadShare is what a client's stream has of that.
type aheadShare struct {
	n    int
	gone bool // the stream is: it gets no more
}

// grantAhead asks for want more bytes of window for the stream to an endpoint whose data goes on in s. It returns how
// many there are: at most half of what is left, so that those to come get some too. s may be nil: nothing is shared
// then. Safe under the lock of the other connection.
func (s *Stream) grantAhead(want int) int {
	if s == nil {
		return want
	}
	a := &s.c.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.ahead.gone {
		return 0
	}
	n := min(want, (aheadMost-a.granted)/2)
	a.granted += n
	s.ahead.n += n
	return n
}

// returnAhead gives back what the client's stream s, which is gone, was granted.
func (s *Stream) returnAhead() {
	a := &s.c.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.granted -= s.ahead.n
	s.ahead = aheadShare{gone: true}
}
