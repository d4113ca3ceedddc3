package forward

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// upstreamH2 is a stream on a shared HTTP/2 connection to an endpoint, leased to one exchange that waits in a
// goroutine.
type upstreamH2 struct {
	client *http2.Client
	pipe   *http2.Pipe
	stream *http2.Stream // nil before Send
	batch  http2.Batch   // of whoever writes: the exchange's goroutine, then the uploading one
	reused bool
	waits  bool // for Send: its place on the connection is reserved
	end    bool // the request was ended
	sent   int64
	from   downstream  // whose request it carries; nil before Send
	large  atomic.Bool // the trailers were larger than the endpoint takes
}

// newUpstreamH2 takes a place that is reserved on c.
func newUpstreamH2(c *http2.Client, reused bool) *upstreamH2 {
	return &upstreamH2{client: c, pipe: http2.NewPipe(), reused: reused, waits: true}
}

// Standing is never doubtful: the connection's reading goroutine reads all the while.
func (u *upstreamH2) Standing(int64) standing {
	if u.reused {
		return current
	}
	return unused
}

func (u *upstreamH2) Usable() bool { return u.client.Usable() }

// SetWriteTimeout does nothing: a stream that stalls is reset by the connection's Options.StallTimeout.
func (u *upstreamH2) SetWriteTimeout(time.Duration) {}

// Send opens the stream.
func (u *upstreamH2) Send(o *outgoing) error {
	u.from = o.from
	var dst *http2.Stream
	if q, ok := o.from.(*requestH2); ok {
		dst = q.stream
		u.pipe.ChargeTo(dst)
	}
	f := u.batch.Fields()
	o.head.fillH2(f)
	// A request that ended behind its head ends so again, by a frame of its own: servers of gRPC wait for that one.
	u.end = o.whole && o.head.Body == message.NoBody && o.trailers == nil
	u.waits = false
	st, err := u.client.OpenReserved(&u.batch, f, u.end, u.pipe.Receiver(), dst)
	if err != nil {
		return err
	}
	u.stream = st
	u.pipe.Attach(st, false)
	u.sent = int64(f.Len())
	u.batch.Trim()
	if len(o.body) > 0 {
		u.sent += int64(len(o.body))
		u.end = o.whole && o.trailers == nil
		if err := u.pipe.Write(&u.batch, o.body, u.end); err != nil {
			return err
		}
	}
	if o.whole && !u.end {
		return u.End(o.trailers)
	}
	return u.Flush()
}

// Sent is 0 also when the peer has said that it did not process the request.
func (u *upstreamH2) Sent() int64 {
	if errors.Is(u.pipe.Err(), http2.ErrUnprocessed) {
		return 0
	}
	return u.sent
}

func (u *upstreamH2) Body(p []byte) error { return u.pipe.Write(&u.batch, p, false) }

func (u *upstreamH2) End(t *message.Head) error {
	if u.end {
		return nil
	}
	u.end = true
	var err error
	if t != nil {
		f := u.batch.Fields()
		f.AddHead(t, neverTrailer)
		err = u.stream.WriteTrailers(&u.batch, f)
		if errors.Is(err, http2.ErrHeadTooLarge) {
			u.large.Store(true)
			u.Cut() // the endpoint would wait for the end, and whoever waits for it too
		}
		u.batch.Trim()
	} else {
		err = u.pipe.Write(&u.batch, nil, true)
	}
	u.batch.Flush()
	return err
}

func (u *upstreamH2) Flush() error {
	u.batch.Flush()
	return nil
}

func (u *upstreamH2) SetReadDeadline(at int64) { u.pipe.SetReadDeadline(at) }

// Park is refused: what comes for a stream is told of by the connection's reader.
func (u *upstreamH2) Park(*netio.Conn, netio.Resumer) bool { return false }

// Head takes over the next head; the pipe has made it for this one reader. A response may have no body whatever is
// said of it. The end of the stream may still come in a frame of its own. HTTP/1.1 must not make chunks of that.
func (u *upstreamH2) Head(h *message.Head, toHead bool) error {
	got, end, err := u.pipe.Head()
	if err != nil && u.large.Load() {
		return http2.ErrHeadTooLarge
	}
	if err != nil {
		return err
	}
	*h = *got
	switch {
	case end || toHead || message.Bodiless(h.Status):
		h.Body = message.NoBody
	case h.Body == message.Sized && h.Present.Has(message.Trailer):
		h.Body = message.Chunked // HTTP/1.1 has room for trailers only behind chunks
	}
	return nil
}

func (u *upstreamH2) Interim()                {}
func (u *upstreamH2) TakeHead(*message.Head)  {}
func (u *upstreamH2) Ready() bool             { return u.pipe.Ready() }
func (u *upstreamH2) Next() ([]byte, error)   { return u.pipe.Next() }
func (u *upstreamH2) Trailers() *message.Head { return u.pipe.Trailers() }
func (u *upstreamH2) Ahead(int)               {} // the stream's window does
func (u *upstreamH2) Return(n int)            { u.pipe.Return(n) }
func (u *upstreamH2) DropHead()               {}
func (u *upstreamH2) Fit()                    {}

// TimedOut has the connection doubted, which other requests share.
func (u *upstreamH2) TimedOut(_ *cluster.Endpoint, since, _ int64) {
	if u.stream != nil {
		u.stream.Doubt(since)
	}
}

// GivenUp does nothing: the connection sees to it when the stream is reset.
func (u *upstreamH2) GivenUp(*cluster.Endpoint, int64, int64) {}

func (u *upstreamH2) Interrupt() { u.pipe.Interrupt() }

func (u *upstreamH2) Cut() {
	u.stream.Reset(nil, u.code())
	u.pipe.Close()
}

// GiveBack ends the lease of a stream that both sides have ended.
func (u *upstreamH2) GiveBack(*message.Head, bool, *cluster.Endpoint, int64) { u.pipe.Close() }

// Close ends a stream that is of no more use; one that has ended is not reset again.
func (u *upstreamH2) Close() error {
	if u.waits {
		u.waits = false
		u.client.Unreserve()
	}
	if u.stream != nil {
		u.stream.Reset(nil, u.code())
		u.pipe.Close()
	}
	return nil
}

// code is what the endpoint is told of a stream that nobody needs any more.
func (u *upstreamH2) code() http2.ErrCode {
	if u.from == nil {
		return http2.Cancel
	}
	return u.from.ResetCode()
}
