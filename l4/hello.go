package l4

import (
	"bytes"
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

const (
	// maxHello is the longest ClientHello, with the records around it. Post-quantum keys take some 2 KiB; no client in
	// use is near this.
	maxHello = netio.BulkSize
	// maxRecord is the longest record in the clear (RFC 8446 section 5.1).
	maxRecord = 16 << 10
	// maxName is the longest name that DNS knows.
	maxName = 255

	recordHandshake   = 22
	messageHello      = 1
	extensionName     = 0
	nameTypeHost      = 0
	recordHeaderBytes = 5
	helloHeaderBytes  = 4
)

var (
	errNotTLS    = errors.New("not a TLS ClientHello")
	errBadHello  = errors.New("malformed ClientHello")
	errLongHello = errors.New("ClientHello is too long")
)

// hello is a ClientHello that is being read. Every byte is looked at once, however small the pieces are in which it
// comes.
type hello struct {
	name    string // lower-case; empty if the client names nobody
	read    int    // how much of the input was taken: whole records
	message []byte // that the records carry
}

// add looks at all of the input so far, which begins with what the last call has seen. It reports whether the message
// is whole.
func (h *hello) add(in []byte) (done bool, err error) {
	for {
		rest := in[h.read:]
		if len(rest) > 0 && rest[0] != recordHandshake || len(rest) > 1 && rest[1] != 3 {
			return false, errNotTLS
		}
		if len(rest) < recordHeaderBytes {
			return false, nil
		}
		n := int(rest[3])<<8 | int(rest[4])
		if n == 0 || n > maxRecord {
			return false, errNotTLS
		}
		if len(rest) < recordHeaderBytes+n {
			return false, nil
		}
		h.read += recordHeaderBytes + n
		h.message = append(h.message, rest[recordHeaderBytes:recordHeaderBytes+n]...)
		if h.message[0] != messageHello {
			return false, errNotTLS
		}
		if len(h.message) < helloHeaderBytes {
			continue
		}
		size := int(h.message[1])<<16 | int(h.message[2])<<8 | int(h.message[3])
		body := h.message[helloHeaderBytes:]
		switch {
		case size > maxHello:
			return false, errLongHello
		case len(body) > size:
			return false, errBadHello // nothing may follow in its record
		case len(body) == size:
			var ok bool
			if h.name, ok = parseHello(body); !ok {
				return false, errBadHello
			}
			return true, nil
		}
	}
}

// parseHello finds the server name in the body of a ClientHello (RFC 8446 section 4.1.2). What is not well-formed is
// refused: the endpoint must not read another name in it than we do.
func parseHello(body []byte) (name string, ok bool) {
	p := parser(body)
	const versionAndRandom = 2 + 32
	session, suites, compression := parser(nil), parser(nil), parser(nil)
	if !p.skip(versionAndRandom) || !p.vector8(&session) || len(session) > 32 ||
		!p.vector16(&suites) || len(suites) < 2 || len(suites)%2 != 0 || !p.vector8(&compression) || len(compression) == 0 {
		return "", false
	}
	if len(p) == 0 {
		return "", true // TLS 1.2 without extensions
	}
	extensions := parser(nil)
	if !p.vector16(&extensions) || len(p) > 0 {
		return "", false
	}
	named := false
	for len(extensions) > 0 {
		var kind int
		data := parser(nil)
		if !extensions.uint16(&kind) || !extensions.vector16(&data) {
			return "", false
		}
		if kind != extensionName {
			continue
		}
		if named {
			return "", false
		}
		named = true
		if name, ok = parseNames(data); !ok {
			return "", false
		}
	}
	return name, true
}

// parseNames reads the server_name extension (RFC 6066 section 3): exactly one host name, and perhaps names of kinds
// that nobody has invented.
func parseNames(data parser) (name string, ok bool) {
	list := parser(nil)
	if !data.vector16(&list) || len(data) > 0 || len(list) == 0 {
		return "", false
	}
	for len(list) > 0 {
		kind := list[0]
		list = list[1:]
		one := parser(nil)
		if !list.vector16(&one) || len(one) == 0 {
			return "", false
		}
		if kind != nameTypeHost {
			continue
		}
		if name != "" || len(one) > maxName || one[len(one)-1] == '.' {
			return "", false
		}
		for _, c := range one {
			if c <= ' ' || c > '~' {
				return "", false
			}
		}
		name = string(bytes.ToLower(one))
	}
	return name, true
}

// parser takes values from the front of a message; its methods report whether they were there.
type parser []byte

func (p *parser) skip(n int) bool {
	if len(*p) < n {
		return false
	}
	*p = (*p)[n:]
	return true
}

func (p *parser) uint16(v *int) bool {
	if len(*p) < 2 {
		return false
	}
	*v = int((*p)[0])<<8 | int((*p)[1])
	return p.skip(2)
}

func (p *parser) take(n int, v *parser) bool {
	if len(*p) < n {
		return false
	}
	*v = (*p)[:n]
	return p.skip(n)
}

// vector8 takes a length of one byte and that many bytes, vector16 one of two.
func (p *parser) vector8(v *parser) bool {
	if len(*p) == 0 {
		return false
	}
	n := int((*p)[0])
	return p.skip(1) && p.take(n, v)
}

func (p *parser) vector16(v *parser) bool {
	var n int
	return p.uint16(&n) && p.take(n, v)
}
