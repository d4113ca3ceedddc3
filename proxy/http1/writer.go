package http1

import (
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// chunkRoom is the space that framing takes around one chunk: sixteen digits and two line ends are more than enough.
const chunkRoom = 24

// Writer gathers what is to be written on one connection and writes it in as few calls as it can. Bytes are cheap,
// calls are not. Between messages it holds no buffer. One goroutine at a time uses it.
type Writer struct {
	Conn    *netio.Conn
	buf     *netio.Buffer
	out     []byte // gathered, not written yet; usually in buf
	chunked bool
	sent    int64 // bytes written since the last Done
}

// Begin hands out the gathered bytes for a head to be appended to; [Writer.Head] takes them back.
func (w *Writer) Begin() []byte {
	if w.buf == nil {
		w.buf = netio.NewBuffer()
		w.out = w.buf.B[:0]
	}
	return w.out
}

// Head takes what was gathered, with a head at its end, and says whether a body that follows is to be framed in chunks.
func (w *Writer) Head(out []byte, chunked bool) {
	w.out, w.chunked = out, chunked
}

// Pending is the number of bytes gathered and not written yet.
func (w *Writer) Pending() int { return len(w.out) }

// Sent is the number of bytes written since the last Done.
func (w *Writer) Sent() int64 { return w.sent }

// Body adds a piece of the body, behind a head. What fits is gathered; a large piece is written at once.
func (w *Writer) Body(p []byte) error {
	if !w.chunked {
		return w.plain(p)
	}
	w.out = w.Begin() // the buffer may have gone back
	for len(p) > 0 {
		room := cap(w.out) - len(w.out) - chunkRoom
		if room < len(p) && len(w.out) > 0 && room < bodyPiece {
			if err := w.flush(); err != nil {
				return err
			}
			w.enlarge(len(p))
			continue
		}
		n := min(room, len(p))
		w.out = appendChunk(w.out, p[:n])
		p = p[n:]
	}
	return nil
}

func (w *Writer) plain(p []byte) error {
	if len(p) > cap(w.out)-len(w.out) {
		if err := w.flush(); err != nil {
			return err
		}
		if len(p) >= bodyPiece {
			return w.write(p)
		}
		w.out = w.Begin()
	}
	w.out = append(w.out, p...)
	return nil
}

// bodyPiece is the size in bytes below which a piece of a body is not worth a write of its own.
const bodyPiece = 4 << 10

// enlarge takes a larger buffer once pieces come that are larger than the one at hand. Nothing is gathered when it is
// called.
func (w *Writer) enlarge(piece int) {
	if piece+chunkRoom > cap(w.out) && cap(w.out) < netio.BulkSize {
		w.buf.Free()
		w.buf = netio.NewBulk()
		w.out = w.buf.B[:0]
	}
}

// Drain writes the piece of a body in s, behind what was gathered. The body is not framed in chunks.
func (w *Writer) Drain(s *netio.Splicer) error {
	if err := w.flush(); err != nil {
		return err
	}
	n, err := s.Drain(w.Conn)
	w.sent += int64(n)
	return err
}

// End ends the body: in chunks, with the trailers in t that are not in drop (t may be nil). The buffer goes back: who
// has sent a request may wait for long.
func (w *Writer) End(t *message.Head, drop message.Set) error {
	if w.chunked {
		w.out = append(w.Begin(), "0\r\n"...)
		if t != nil {
			w.out = t.AppendFields(w.out, drop)
		}
		w.out = append(w.out, "\r\n"...)
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.free()
	return nil
}

// Flush writes what was gathered: what follows has to be waited for. The buffer goes back, unless it is one for large
// pieces, which come one after another.
func (w *Writer) Flush() error {
	if err := w.flush(); err != nil {
		return err
	}
	if cap(w.out) <= netio.BufferSize {
		w.free()
	}
	return nil
}

func (w *Writer) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	err := w.write(w.out)
	w.out = w.out[:0]
	return err
}

// Fit gives the buffer back, if nothing is gathered in it. It is for a wait that may be long.
func (w *Writer) Fit() {
	if len(w.out) == 0 {
		w.free()
	}
}

func (w *Writer) free() {
	w.buf.Free()
	w.buf, w.out = nil, nil
}

// TryFlush is Flush that does not wait: what the socket did not take stays gathered. An error is met by the next Flush
// too.
func (w *Writer) TryFlush() {
	n, _ := w.Conn.TryWrite(w.out)
	w.sent += int64(n)
	w.out = w.out[n:]
}

func (w *Writer) write(p []byte) error {
	n, err := w.Conn.Write(p)
	w.sent += int64(n)
	return err
}

// Done ends a message: what was gathered and not written is dropped, and the buffer goes back.
func (w *Writer) Done() {
	w.Drop()
	w.sent = 0
}

// Drop is Done for a message that is given up: Sent tells what has been written of it, until Done.
func (w *Writer) Drop() {
	w.free()
	w.chunked = false
}

// appendChunk appends data, which must not be empty, as one chunk.
func appendChunk(dst, data []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(len(data)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}
