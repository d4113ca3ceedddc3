package http1

import (
	"bytes"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Reader holds what has come in on one connection and not been used. Idle it holds no buffer.
type Reader struct {
	Conn *netio.Conn
	lim  Limits

	cur   *netio.Buffer // where bytes are read to; nil while idle
	r, w  int           // cur.B[r:w] has come and not been used
	keep  int           // cur.B[:keep] is a head in use, never overwritten
	head  *netio.Buffer // the head in use, once cur has become another buffer
	full  bool          // the last read filled the space it had: there is more where that came from
	most  int           // the most that a read of a body takes; 0: as much as there is room for
	total int64         // bytes that came since the last Done, with those that were there already
}

// NewReader returns a reader of c's bytes. first, with n bytes in it, is what somebody else has read already; it may be
// nil.
func NewReader(c *netio.Conn, lim Limits, first *netio.Buffer, n int) *Reader {
	return &Reader{Conn: c, lim: lim, cur: first, w: n, total: int64(n)}
}

// Buffered is how many bytes have come that nobody has used.
func (r *Reader) Buffered() int { return r.w - r.r }

// peek is the bytes that have come and not been used.
func (r *Reader) peek() []byte {
	if r.cur == nil {
		return nil
	}
	return r.cur.B[r.r:r.w]
}

// Take hands out the unused bytes and counts them as used.
func (r *Reader) Take() []byte {
	b := r.peek()
	r.r = r.w
	return b
}

// Received is the number of bytes of this message that have been used.
func (r *Reader) Received() int64 { return r.total - int64(r.Buffered()) }

// wait returns when there is at least one unused byte. While it waits it holds no buffer, where the connection allows
// that.
func (r *Reader) wait() error {
	if r.r < r.w {
		return nil
	}
	if r.cur != nil {
		r.Free()
	}
	b, n, err := r.Conn.ReadFirst()
	if err != nil {
		return err
	}
	r.took(b, n)
	return nil
}

// took goes on with the n bytes in b: all that is there.
func (r *Reader) took(b *netio.Buffer, n int) {
	r.cur, r.r, r.w = b, 0, n
	r.full = n == len(b.B)
	r.total += int64(n)
}

// ReadRequest reads one request head into h; the use of the message before it has ended with Done. It returns io.EOF
// when the connection ended before the first byte, and io.ErrUnexpectedEOF when it ended inside the head. One empty
// line before the request is skipped (RFC 9112 section 2.2). Behind ErrHTTP2Preface the preface is still there for
// Take.
func (r *Reader) ReadRequest(h *message.Head) error {
	if err := r.wait(); err != nil {
		return err
	}
	if r.peek()[0] == '\r' {
		if err := r.skipEmptyLine(); err != nil {
			return err
		}
	}
	if !message.IsTokenByte(r.peek()[0]) { // a TLS hello, say: no need to wait for a line end that never comes
		return ErrMethod
	}
	n, err := r.readHead(r.lim.LineBytes)
	if err != nil {
		return err
	}
	if string(r.peek()[:n]) == http2Preface {
		return ErrHTTP2Preface
	}
	r.fit()
	return ParseRequest(r.takeHead(n), h, &r.lim)
}

// fit moves what has come, a head that is not in use yet and what is behind it, to a buffer of its size. A request may
// have to wait for long.
func (r *Reader) fit() {
	if len(r.cur.B) != netio.BufferSize {
		return
	}
	if b := netio.Fitting(r.Buffered()); b != nil {
		n := copy(b.B, r.peek())
		r.cur.Free()
		r.cur, r.r, r.w, r.full = b, 0, n, false
	}
}

// http2Preface is the part of HTTP/2's connection preface that looks like a request head (RFC 9113 section 3.4).
const http2Preface = "PRI * HTTP/2.0\r\n\r\n"

// skipEmptyLine uses up the CRLF that lies, or begins, where a request should, and waits for what follows.
func (r *Reader) skipEmptyLine() error {
	if r.Buffered() == 1 {
		if err := r.more(); err != nil {
			return unexpected(err)
		}
	}
	if r.cur.B[r.r+1] != '\n' {
		return ErrRequestLine
	}
	r.r += 2
	return r.wait()
}

// ReadResponse reads one response head into h. head tells that the request was a HEAD. It returns io.EOF when the
// connection ended before the first byte.
func (r *Reader) ReadResponse(h *message.Head, head bool) error {
	if err := r.wait(); err != nil {
		return err
	}
	n, err := r.readHead(0)
	if err != nil {
		return err
	}
	return ParseResponse(r.takeHead(n), h, &r.lim, head)
}

// TryResponse is ReadResponse that does not wait. The result ok is false, and h untouched, while the head has not come
// whole. It is so too when reading met an error, which ReadResponse then tells of.
func (r *Reader) TryResponse(h *message.Head, head bool) (ok bool, err error) {
	if r.r == r.w {
		if r.cur != nil {
			r.Free()
		}
		b, n, err := r.Conn.TryFirst()
		if err != nil {
			return false, nil //nolint:nilerr // see above
		}
		r.took(b, n)
	}
	scanned := 0
	if n, err := headEnd(r.peek(), &scanned); n == 0 && err == nil {
		return false, nil
	}
	return true, r.ReadResponse(h, head)
}

// readHead reads until a whole head is there and returns its length. lineLimit bounds the first line (0: only the
// head's limit does).
func (r *Reader) readHead(lineLimit int) (int, error) {
	scanned := 0
	for {
		n, err := headEnd(r.peek(), &scanned)
		switch {
		case err != nil:
			return 0, err
		case n > r.lim.HeadBytes, n == 0 && r.Buffered() >= r.lim.HeadBytes:
			if r.lineOver(lineLimit) {
				return 0, ErrLineTooLong
			}
			return 0, ErrHeadTooLarge
		case n > 0:
			return n, nil
		case r.lineOver(lineLimit):
			return 0, ErrLineTooLong
		}
		if err := r.more(); err != nil {
			return 0, unexpected(err)
		}
	}
}

// lineOver tells whether the first line is longer than limit bytes, as far as it has come; 0 is no limit.
func (r *Reader) lineOver(limit int) bool {
	p := r.peek()
	return limit > 0 && len(p) > limit+1 && bytes.IndexByte(p[:limit+2], '\n') < 0
}

// takeHead marks the next n bytes as the head in use.
func (r *Reader) takeHead(n int) []byte {
	b := r.cur.B[r.r : r.r+n : r.r+n]
	r.r += n
	r.keep = r.r
	return b
}

// more reads more bytes behind those that are there, making room first: the unused bytes stay in one piece.
func (r *Reader) more() error {
	if r.w == len(r.cur.B) {
		r.room()
	}
	return r.read()
}

func (r *Reader) read() error {
	return r.readInto(r.cur.B[r.w:])
}

func (r *Reader) readInto(space []byte) error {
	n, err := r.Conn.Read(space)
	r.w += n
	r.full = n == len(space)
	r.total += int64(n)
	return err
}

// room makes space behind the unused bytes of a head that has begun: by moving them down, or into a larger buffer.
func (r *Reader) room() {
	if r.r > 0 {
		r.r, r.w = 0, copy(r.cur.B, r.peek())
		return
	}
	n := r.Buffered()
	b := netio.Sized(2 * n)
	copy(b.B, r.peek())
	r.replace(b, n)
}

// replace reads into b from now on, which has n unused bytes in it. A head in use stays where it is.
func (r *Reader) replace(b *netio.Buffer, n int) {
	if r.keep > 0 && r.head == nil {
		r.head = r.cur
	} else {
		r.cur.Free()
	}
	r.cur, r.r, r.w, r.keep = b, 0, n, 0
}

// minRead is the least space that a piece of a body is read into, and bulkRead that of one which has company. A body
// that comes slowly holds a small buffer, and one that comes fast is worth a large one.
const (
	minRead  = 4 << 10
	bulkRead = netio.BulkSize / 2
)

// fill reads a piece of a body: all that was there has been used. While it waits it holds a buffer only for a body
// that comes fast, or where the connection needs one.
func (r *Reader) fill() error {
	if r.cur != nil && !r.full && r.most == 0 && len(r.cur.B) <= netio.BufferSize && r.Conn.Plain() {
		r.replace(nil, 0)
	}
	if r.cur == nil {
		return r.wait()
	}
	r.r, r.w = r.keep, r.keep
	least := minRead
	if r.full {
		least = bulkRead
	}
	if r.most > 0 {
		least = min(least, r.most)
	}
	if len(r.cur.B)-r.keep < least {
		b := netio.Fitting(least)
		if b == nil {
			b = netio.Sized(least)
		}
		r.replace(b, 0)
	}
	space := r.cur.B[r.w:]
	if r.most > 0 {
		space = space[:min(len(space), r.most)]
	}
	return r.readInto(space)
}

// Ahead bounds what each of the next reads takes of a body, in bytes: whoever it is for may not take more soon. 0:
// nothing is bounded.
func (r *Reader) Ahead(n int) { r.most = n }

// DropHead says that the head is needed no more, or was copied, while the body still comes.
func (r *Reader) DropHead() {
	r.head.Free()
	r.head, r.keep = nil, 0
}

// Fit is DropHead before a wait that may be long: what has come and not been used moves to a buffer of its size.
func (r *Reader) Fit() {
	r.DropHead()
	n := r.Buffered()
	switch {
	case n == 0 && (r.Conn.Plain() || r.cur == nil):
		r.Free()
	case n == 0: // without a buffer it would read a single byte first
		if len(r.cur.B) > netio.BufferSize {
			r.replace(netio.NewBuffer(), 0)
		}
		r.r, r.w, r.full = 0, 0, false
	case n <= len(r.cur.B)*3/4:
		b := &netio.Buffer{B: make([]byte, n)}
		copy(b.B, r.peek())
		r.cur.Free()
		r.cur, r.r, r.w, r.full = b, 0, n, false
	}
}

// Done ends the use of the message's head and body. What came early for the next message stays; without any the buffers
// go back.
func (r *Reader) Done() {
	r.head.Free()
	r.head, r.keep, r.total = nil, 0, int64(r.Buffered())
	if r.r == r.w {
		r.Free()
	}
}

// Free gives all buffers back, with whatever is in them.
func (r *Reader) Free() {
	r.head.Free()
	r.cur.Free()
	r.head, r.cur, r.keep, r.r, r.w = nil, nil, 0, 0, 0
}
