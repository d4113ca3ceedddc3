package http2

import "github.com/fabian4/gateway-homebrew-go/internal/netio"

// bodyQueue holds body bytes that could not go on yet, in order, in pooled memory. What it holds is bounded by the
// window of the stream they came on. Only what has left it is given back to the peer.
type bodyQueue struct {
	buf *netio.Buffer
	b   []byte // what is held; its memory is buf's, or its own when that would be too small
}

func (q *bodyQueue) push(p []byte) {
	if len(p) == 0 {
		return
	}
	if q.buf == nil {
		if len(p) <= netio.HalfSize { // all that most streams hold
			q.buf = netio.NewHalf()
		} else {
			q.buf = netio.Sized(len(p))
		}
		q.b = q.buf.B[:0]
	}
	if len(q.b)+len(p) > cap(q.b) {
		q.move(len(q.b) + len(p))
	}
	q.b = append(q.b, p...)
}

// move goes to the start of the buffer, or to a larger one.
func (q *bodyQueue) move(need int) {
	if need <= len(q.buf.B) {
		q.b = q.buf.B[:copy(q.buf.B, q.b)]
		return
	}
	if need > netio.BulkSize {
		need *= 2
	}
	buf := netio.Sized(need)
	q.b = buf.B[:copy(buf.B, q.b)]
	q.buf.Free()
	q.buf = buf
}

func (q *bodyQueue) pop(n int) { q.b = q.b[n:] }

func (q *bodyQueue) free() {
	q.buf.Free()
	*q = bodyQueue{}
}
