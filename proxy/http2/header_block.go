package http2

import (
	"sync"
	"unsafe"

	"golang.org/x/net/http2/hpack"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// kind is what a header block is.
type kind uint8

const (
	request kind = iota
	response
	trailers
	unwanted // for a stream that is not there: decoded for the table's sake, and dropped
)

// block is one header block that is being decoded into a message.Head. It belongs to the reading goroutine. Blocks are
// pooled; the connection has one only while HEADERS, its CONTINUATIONs and their event are being handled.
type block struct {
	head   message.Head
	stream uint32
	kind   kind
	end    bool // END_STREAM
	isHead bool // a response to HEAD: the length says nothing of this message

	maxBytes, maxFields int

	frames int // CONTINUATIONs so far
	wire   int // bytes of the block so far
	size   int // of the decoded list, RFC 9113 section 10.5.1
	fields int
	large  bool   // over a limit: nothing more is kept
	bad    string // why the message is malformed; empty: it is not

	regular bool // a field that is no pseudo-header field has come
	pseudo  uint8
}

// The pseudo-header fields, as bits of block.pseudo.
const (
	sawMethod = 1 << iota
	sawScheme
	sawAuthority
	sawPath
	sawStatus
)

var blocks = sync.Pool{New: func() any {
	return &block{head: message.Head{Buf: make([]byte, 0, 1<<10), ContentLength: -1}}
}}

// keepHead is the largest head buffer in bytes that goes back into the pool.
const keepHead = 16 << 10

func (b *block) release() {
	buf := b.head.Buf[:0]
	if cap(buf) > keepHead || cap(buf) == 0 { // 0: somebody took the head, who had none to give
		buf = make([]byte, 0, 1<<10)
	}
	b.head.Reset()
	fields := b.head.Fields
	if cap(fields) > 256 {
		fields = nil
	}
	*b = block{}
	b.head = message.Head{Buf: buf, Fields: fields, ContentLength: -1}
	blocks.Put(b)
}

// fail notes why the message is malformed; the first reason stays.
func (b *block) fail(reason string) {
	if b.bad == "" {
		b.bad = reason
	}
}

// bytesOf lends the bytes of a string; they must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// add takes one decoded field.
func (b *block) add(f hpack.HeaderField) {
	b.size += len(f.Name) + len(f.Value) + entryOverhead
	b.fields++
	if b.size > b.maxBytes || b.fields > b.maxFields {
		b.large = true
	}
	if b.large || b.bad != "" || b.kind == unwanted {
		return
	}
	name, value := bytesOf(f.Name), bytesOf(f.Value)
	if len(name) == 0 {
		b.fail("empty field name")
		return
	}
	if !message.ValidValue(value) {
		b.fail("control byte in a field value")
		return
	}
	if name[0] == ':' {
		b.addPseudo(f.Name, value)
		return
	}
	b.regular = true
	b.addField(name, value, f.Sensitive)
}

func (b *block) addField(name, value []byte, sensitive bool) {
	if !message.ValidLowerName(name) {
		b.fail("field name that is no lower-case token")
		return
	}
	if message.Padded(value) {
		b.fail("space around a field value") // RFC 9113 section 8.2.1
		return
	}
	h := &b.head
	id := h.Append(name, value)
	if sensitive {
		h.Fields[len(h.Fields)-1].Sensitive = true
	}
	if message.ConnectionFields.Has(id) {
		b.fail("connection-specific field") // RFC 9113 section 8.2.2
		return
	}
	switch id {
	case message.TE:
		if b.kind != request || !message.EqualFold(value, "trailers") {
			b.fail("te other than trailers")
		}
		h.TETrailers = true
	case message.Expect:
		h.Expect100 = b.kind == request && message.EqualFold(value, "100-continue") && h.Count(message.Expect) == 1
	case message.ContentLength:
		b.addLength(value)
	}
}

func (b *block) addLength(value []byte) {
	h := &b.head
	if b.kind == trailers {
		b.fail("content-length in the trailers")
		return
	}
	if h.ContentLength >= 0 {
		b.fail("content-length repeated")
		return
	}
	n, ok := message.ParseLength(value)
	if !ok {
		b.fail("content-length that is no number")
		return
	}
	h.ContentLength = n
}

// addPseudo takes a pseudo-header field (RFC 9113 section 8.3). Its value lies in the head's buffer in front of the
// fields' lines.
func (b *block) addPseudo(name string, value []byte) {
	if b.kind == trailers {
		b.fail("pseudo-header field in the trailers")
		return
	}
	if b.regular {
		b.fail("pseudo-header field behind a field")
		return
	}
	h := &b.head
	at := len(h.Buf)
	h.Buf = append(h.Buf, value...)
	value = h.Buf[at:len(h.Buf):len(h.Buf)]
	var bit uint8
	if b.kind == response {
		if name == ":status" {
			bit = sawStatus
			b.status(value)
		}
	} else {
		switch name {
		case ":method":
			bit, h.Method = sawMethod, value
		case ":scheme":
			bit, h.Scheme = sawScheme, value
		case ":authority":
			bit, h.Authority = sawAuthority, value
		case ":path":
			bit, h.Target = sawPath, value
		}
	}
	switch {
	case bit == 0:
		b.fail("unknown pseudo-header field")
	case b.pseudo&bit != 0:
		b.fail("pseudo-header field repeated")
	}
	b.pseudo |= bit
}

func (b *block) status(v []byte) {
	var ok bool
	if b.head.Status, ok = message.ParseStatus(v); !ok {
		b.fail("status that is no number from 100 to 599")
	}
}

// finish judges the whole message and says how its body ends.
func (b *block) finish() {
	if b.bad != "" || b.large || b.kind == unwanted {
		return
	}
	h := &b.head
	h.Version = message.HTTP2
	switch b.kind {
	case request:
		b.finishRequest()
	case response:
		b.finishResponse()
	case trailers:
		if !b.end {
			b.fail("trailers without END_STREAM")
		}
		return
	}
	switch {
	case b.end:
		h.Body = message.NoBody
		if h.ContentLength > 0 && !b.isHead && h.Status != 304 {
			b.fail("content-length of a message without a body")
		}
		h.ContentLength = -1
	case h.ContentLength >= 0:
		h.Body = message.Sized
	default:
		h.Body = message.Chunked
	}
}
