package http1

import (
	"bytes"
	"io"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// chunked is where a body in the chunked coding stands (RFC 9112 section 7.1).
type chunked struct {
	state  chunkState
	digits int    // of the size in hand
	size   uint64 // bytes still to come of the chunk in hand
	ext    int    // bytes of chunk extensions so far, all chunks together
	quoted bool   // inside a quoted-string of an extension
	escape bool   // behind a backslash in it
	raw    []byte // the trailer section so far
	scan   int
}

type chunkState uint8

const (
	chunkSize   chunkState = iota
	chunkSpace             // space behind the size, up to the semicolon that alone may follow it
	chunkExt               // behind that, up to the CR
	chunkSizeLF            // the LF of the size line
	chunkData
	chunkCR // the CRLF behind the data
	chunkLF
	chunkTrailer
)

// maxSizeDigits keeps a size within an int64: sixteen digits could name 2^64-1 bytes, and nobody sends a chunk of 2^60.
const maxSizeDigits = 15

// readyChunked uses up the framing that lies in the buffer and tells whether what follows needs no more bytes: data,
// the end, or an error.
func (b *Body) readyChunked() bool {
	c := &b.chunked
	for b.err == nil {
		p := b.r.peek()
		if len(p) == 0 {
			return false
		}
		switch c.state {
		case chunkData:
			return true
		case chunkTrailer:
			done, err := b.trailer(p)
			if done {
				b.kind = message.NoBody
				return true
			}
			b.err = err
		default:
			n, err := c.line(p, b.r.lim.ExtBytes)
			b.r.r += n
			b.err = err
		}
	}
	return true
}

func (b *Body) nextChunked() ([]byte, error) {
	for !b.readyChunked() {
		if err := b.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
	switch {
	case b.err != nil:
		return nil, b.err
	case b.kind == message.NoBody:
		return nil, io.EOF
	}
	c := &b.chunked
	p := b.r.peek()
	if uint64(len(p)) > c.size {
		p = p[:c.size]
	}
	b.r.r += len(p)
	if c.size -= uint64(len(p)); c.size == 0 {
		c.state = chunkCR
	}
	return p, nil
}

// line uses up bytes of p up to where data or trailers begin and returns how many.
func (c *chunked) line(p []byte, extLimit int) (int, error) {
	for i, ch := range p {
		switch c.state {
		case chunkSize:
			if d := hexDigit(ch); d < 16 {
				if c.digits++; c.digits > maxSizeDigits {
					return 0, ErrChunkSize
				}
				c.size = c.size<<4 | uint64(d)
				continue
			}
			if c.digits == 0 {
				return 0, ErrChunkSize
			}
			switch ch {
			case '\r':
				c.state = chunkSizeLF
			case ';':
				c.state = chunkExt
			case ' ', '\t':
				c.state = chunkSpace
			default:
				return 0, ErrChunkSize
			}
		case chunkSpace:
			if c.ext++; c.ext > extLimit {
				return 0, ErrChunkExt
			}
			switch ch {
			case ' ', '\t':
			case ';':
				c.state = chunkExt
			default:
				return 0, ErrChunkSize
			}
		case chunkExt:
			if ch == '\r' {
				if c.quoted {
					return 0, ErrChunkExt
				}
				c.state = chunkSizeLF
				continue
			}
			if c.ext++; c.ext > extLimit || ch < ' ' && ch != '\t' || ch == 0x7f {
				return 0, ErrChunkExt
			}
			switch {
			case c.escape:
				c.escape = false
			case c.quoted && ch == '\\':
				c.escape = true
			case ch == '"':
				c.quoted = !c.quoted
			}
		case chunkSizeLF:
			if ch != '\n' {
				return 0, ErrChunkSize
			}
			c.digits = 0
			if c.size > 0 {
				c.state = chunkData
			} else {
				c.state = chunkTrailer
			}
			return i + 1, nil
		case chunkCR:
			if ch != '\r' {
				return 0, ErrChunkEnd
			}
			c.state = chunkLF
		case chunkLF:
			if ch != '\n' {
				return 0, ErrChunkEnd
			}
			c.state = chunkSize
		}
	}
	return len(p), nil
}

// trailer collects the trailer section and parses it when it is whole. Nearly always it is just the empty line.
func (b *Body) trailer(p []byte) (done bool, err error) {
	c := &b.chunked
	if c.raw == nil && len(p) >= 2 && p[0] == '\r' && p[1] == '\n' {
		b.r.r += 2
		return true, nil
	}
	// Take whole lines, or what there is of one; the section is short and rare, so a copy of it may cost an allocation.
	n := len(p)
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		n = i + 1
	}
	if len(c.raw)+n > b.r.lim.HeadBytes {
		return false, ErrHeadTooLarge
	}
	c.raw = append(c.raw, p[:n]...)
	b.r.r += n
	end, err := headEnd(c.raw, &c.scan)
	if err != nil || end == 0 {
		return false, err
	}
	if end == 2 {
		return true, nil
	}
	h := &message.Head{Buf: c.raw, ContentLength: -1}
	if err := parseFields(h, 0, &b.r.lim); err != nil {
		return false, err
	}
	b.trailers = h
	return true, nil
}

// hexDigit is the value of a hexadecimal digit, 16 and more for anything else.
func hexDigit(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case (c|0x20)-'a' < 6:
		return (c | 0x20) - 'a' + 10
	}
	return 255
}
