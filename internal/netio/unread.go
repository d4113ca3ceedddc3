package netio

import "net"

// Unread tells whether bytes have come that no read has handed out yet, as far as that is known without asking the
// system. Such bytes lie in a TLS connection over a [Cork], because they came along with others. It consumes nothing
// and does not block. It is the reader's to call. See [Conn.Quiet] for what lies in the socket.
func (c *Conn) Unread() bool {
	if c.peeked {
		return true
	}
	k := c.cork()
	if k == nil || k.received.none() {
		return false
	}
	if k.received.cut() {
		return true
	}
	// Records that carry no data (session tickets, alerts), or one that was read to its last byte exactly: crypto/tls
	// knows. It must not wait, and takes an error that is temporary as if it had never asked.
	k.dry = true
	n, err := c.Conn.Read(c.first[:])
	k.dry = false
	c.peeked = n > 0
	return err != errDry //nolint:errorlint // it is handed on as it is; any other error is the end, which comes again
}

// cork is the Cork under a TLS connection; nil: there is none.
func (c *Conn) cork() *Cork {
	if t, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		k, _ := t.NetConn().(*Cork)
		return k
	}
	return nil
}

// takePeeked hands out the byte that Unread has met.
func (c *Conn) takePeeked(b []byte) int {
	c.peeked = false
	b[0] = c.first[0]
	return 1
}

// readOver reads from a connection that is no plain socket, and counts the records that were read to their end.
func (c *Conn) readOver(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 {
		return 0, err
	}
	if n < len(b) {
		if k := c.cork(); k != nil {
			k.received.whole--
		}
	}
	return n, nil // the error, if any, comes again
}

// errDry is what a [Cork] has crypto/tls read where it must not wait. Only what is temporary leaves a tls.Conn as it
// is.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "nothing was read" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

const (
	// recordHeader is the length of what precedes the content of a record: type, version and length (RFC 8446 section
	// 5.1, RFC 5246 section 6.2.1).
	recordHeader = 5
	// recordLength is where the length begins in it.
	recordLength = 3
)

// records follows where TLS records end in a stream, whatever is in them. crypto/tls holds what was read of it: it
// reads on only when it has no whole record left.
type records struct {
	whole  int32  // records that came whole with the last read, less those that were handed out since
	length uint16 // of the record in hand, as far as its header came
	rest   uint16 // bytes of its content that are missing
	head   uint8  // bytes of its header that came
}

// none tells that nothing is held for certain.
func (r *records) none() bool { return r.whole == 0 && !r.cut() }

// cut tells that part of a record is held.
func (r *records) cut() bool { return r.head > 0 || r.rest > 0 }

// follow takes the next bytes of the stream.
func (r *records) follow(b []byte) {
	r.whole = 0
	for len(b) > 0 {
		if r.rest == 0 {
			if b = r.header(b); r.head < recordHeader {
				return
			}
			r.rest = r.length
		}
		n := min(int(r.rest), len(b))
		b = b[n:]
		if r.rest -= uint16(n); r.rest == 0 {
			r.whole++
			r.head, r.length = 0, 0
		}
	}
}

// header takes what there is of a header, and returns what is behind it.
func (r *records) header(b []byte) []byte {
	for ; len(b) > 0 && r.head < recordHeader; b = b[1:] {
		if r.head >= recordLength {
			r.length = r.length<<8 | uint16(b[0])
		}
		r.head++
	}
	return b
}
