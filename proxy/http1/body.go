package http1

import (
	"errors"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Body reads the body that follows a head, piece by piece, out of the connection's buffer. The zero value is an empty
// body.
type Body struct {
	r        *Reader
	kind     message.BodyKind
	left     int64 // Sized: bytes still to come
	chunked  chunked
	err      error         // a malformed chunk, told at every Next from then on
	trailers *message.Head // what came behind a chunked body; nil when nothing did
}

// Body begins reading the body of the head that was read last.
func (r *Reader) Body(b *Body, h *message.Head) {
	*b = Body{r: r, kind: h.Body, left: h.ContentLength}
}

// Ended tells whether the whole body has been read.
func (b *Body) Ended() bool { return b.kind == message.NoBody }

// Trailers is the trailer section of a chunked body that has ended, nil without one.
func (b *Body) Trailers() *message.Head { return b.trailers }

// Ready tells whether Next will return without waiting for more bytes.
func (b *Body) Ready() bool {
	switch b.kind {
	case message.NoBody:
		return true
	case message.Chunked:
		return b.readyChunked()
	}
	return b.r.r < b.r.w
}

// Next returns the next piece, good until the following call, or io.EOF behind the last one. A connection that ends too
// early is io.ErrUnexpectedEOF; a malformed chunk is an [*Error].
func (b *Body) Next() ([]byte, error) {
	switch b.kind {
	case message.NoBody:
		return nil, io.EOF
	case message.Sized:
		if err := b.fill(); err != nil {
			return nil, unexpected(err)
		}
		p := b.r.peek()
		if int64(len(p)) > b.left {
			p = p[:b.left]
		}
		b.r.r += len(p)
		if b.left -= int64(len(p)); b.left == 0 {
			b.kind = message.NoBody
		}
		return p, nil
	case message.Chunked:
		return b.nextChunked()
	}
	if err := b.fill(); err != nil {
		if errors.Is(err, io.EOF) {
			b.kind = message.NoBody
		}
		return nil, err
	}
	return b.r.Take(), nil
}

// Return says that the last n bytes which Next has handed out were not used: it hands them out again.
func (b *Body) Return(n int) {
	if n == 0 {
		return
	}
	b.r.r -= n
	switch b.kind {
	case message.Chunked:
		b.chunked.state = chunkData
		b.chunked.size += uint64(n)
	case message.UntilClose:
	default: // it may have been the last piece
		b.kind = message.Sized
		b.left += int64(n)
	}
}

// Spliceable is how many bytes of the body may go by splice(2). These are all that are missing, once what has come of
// a sized body has been used. Else it is 0.
func (b *Body) Spliceable() int64 {
	if b.kind != message.Sized || b.r.r < b.r.w {
		return 0
	}
	return b.left
}

// Fill is Next that moves a piece into s, of a body that is Spliceable, and says how many bytes it has. It never takes
// what comes behind the body. With netio.ErrNoSplice, Next goes on.
func (b *Body) Fill(s *netio.Splicer) (int, error) {
	n, err := s.Fill(b.r.Conn, b.left)
	if err != nil {
		return 0, unexpected(err)
	}
	b.r.total += int64(n)
	if b.left -= int64(n); b.left == 0 {
		b.kind = message.NoBody
	}
	return n, nil
}

// fill makes sure that there is an unused byte.
func (b *Body) fill() error {
	if b.r.r < b.r.w {
		return nil
	}
	return b.r.fill()
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
