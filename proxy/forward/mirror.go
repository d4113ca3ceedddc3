package forward

import (
	"io"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// shadow is the copy of a request for another cluster, and its downstream side: it has the whole request, and drops
// what comes back. It begins when the request has been read, in a goroutine of its own, which the request never waits
// for. It goes the way of all requests to a cluster, and is neither counted nor logged as one of a client. It is
// pooled, but for its body.
type shadow struct {
	ownDownstream
	ex     exchange
	work   Workspace
	client route.Client
	up     *route.Upstream // has the place of the copy
	body   []byte
	taken  bool // the body has been sent
	began  bool
}

var shadows = sync.Pool{New: func() any { return new(shadow) }}

// copied is the copy of the request that has been decided on; nil: there will be none. It keeps what keep is given of
// the body.
func (ex *exchange) copied() *shadow {
	up := ex.decision.Mirror.Upstream()
	if ex.req.ContentLength > replayBytes {
		dropCopy(up, telemetry.MirrorBody)
		return nil
	}
	if !up.Copies.TryEnter() {
		dropCopy(up, telemetry.MirrorBusy)
		return nil
	}
	s := shadows.Get().(*shadow)
	s.up, s.client = up, *ex.client
	s.ex.attach(ex.engine, &s.client, s, &s.work)
	http2.CopyHead(&s.ex.req, &ex.req)
	s.ex.req.Upgrade, s.ex.req.Expect100 = nil, false // the body goes along with the head
	s.ex.record.Start = ex.now()
	s.ex.decision = ex.decision.Copy(&s.ex.req, &s.client, s.ex.record.Start)
	s.ex.state = recorded // none is made of it
	return s
}

// dropCopy counts a copy that is not made, or not answered.
func dropCopy(up *route.Upstream, why telemetry.MirrorReason) {
	up.Cluster.Telemetry().Mirror.Dropped[why].Inc()
}

// keep adds p to the body of the copy, and tells whether it is still small enough for that.
func (s *shadow) keep(p []byte) bool {
	if len(s.body)+len(p) > replayBytes {
		return false
	}
	s.body = append(s.body, p...)
	return true
}

// run sends the copy. It ends when the response has been read, when a time limit is over, or with the engine.
func (s *shadow) run() {
	ex := &s.ex
	defer s.end()
	defer ex.recover()
	ex.record.Start = ex.now()
	ex.upload.prepare(ex)
	reply := ex.upload.gather()
	if reply == nil {
		reply = ex.enter()
	}
	if reply == nil {
		reply, _ = ex.attempts() // a copy has a goroutine, and is not parked
	}
	if reply != nil && reply.Flag != telemetry.DC {
		dropCopy(s.up, telemetry.MirrorFailed)
	}
	ex.giveBack()
}

// end gives s back, whether it has run or not. After a panic it is not used again.
func (s *shadow) end() {
	s.up.Copies.Leave()
	if s.ex.state == panicked {
		return
	}
	head := s.ex.req.Buf[:0]
	s.ex.reset()
	s.ex.detach()
	s.ex.req.Buf = head
	s.client, s.up, s.body, s.taken, s.began = route.Client{}, nil, nil, false, false
	shadows.Put(s)
}

// The methods of a downstream that a copy has of its own.

func (s *shadow) Next() ([]byte, error) {
	if s.Ended() {
		return nil, io.EOF
	}
	s.taken = true
	return s.body, nil
}
func (s *shadow) Ended() bool                 { return s.taken || len(s.body) == 0 }
func (s *shadow) Watch(http2.Interrupter)     {}
func (s *shadow) Body([]byte) error           { return nil }
func (s *shadow) Offer(p []byte) (int, error) { return len(p), nil }
func (s *shadow) End(*message.Head) error     { return nil }
func (s *shadow) Began() bool                 { return s.began }

// Hangup tells of the end of the engine: the client of the request is not asked.
func (s *shadow) Hangup() netio.Hangup {
	if s.ex.engine.ctx.Err() != nil {
		return netio.Reset
	}
	return netio.Open
}

func (s *shadow) Begin(*message.Head) error {
	s.began = true
	return nil
}

// What an upload does for the copy of its request. shadow is nil for most.

// copyPiece gives the copy a piece of the body that has been read: p, or n bytes that were never in memory.
func (u *upload) copyPiece(p []byte, n int) {
	if u.shadow == nil || n == 0 || len(p) == n && u.shadow.keep(p) {
		return
	}
	dropCopy(u.shadow.up, telemetry.MirrorBody)
	u.dropCopy()
}

// sendCopy sends the copy once all of the request has been read.
func (u *upload) sendCopy() {
	if u.shadow != nil {
		go u.shadow.run() // ends as it says
		u.shadow = nil
	}
}

// dropCopy gives the copy up, unless it has been sent.
func (u *upload) dropCopy() {
	if u.shadow != nil {
		u.shadow.end()
		u.shadow = nil
	}
}
