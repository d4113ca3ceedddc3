package l4

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"

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
func parseHello(body cryptobyte.String) (name string, ok bool) {
	const versionAndRandom = 2 + 32
	var session, suites, compression, extensions cryptobyte.String
	if !body.Skip(versionAndRandom) || !body.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!body.ReadUint16LengthPrefixed(&suites) || len(suites) < 2 || len(suites)%2 != 0 ||
		!body.ReadUint8LengthPrefixed(&compression) || compression.Empty() {
		return "", false
	}
	if body.Empty() {
		return "", true // TLS 1.2 without extensions
	}
	if !body.ReadUint16LengthPrefixed(&extensions) || !body.Empty() {
		return "", false
	}
	named := false
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
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
func parseNames(data cryptobyte.String) (name string, ok bool) {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() || list.Empty() {
		return "", false
	}
	for !list.Empty() {
		var kind uint8
		var one cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&one) || one.Empty() {
			return "", false
		}
		if kind != nameTypeHost {
			continue
		}
		if name != "" || !isName(one) {
			return "", false
		}
		name = string(bytes.ToLower(one))
	}
	return name, true
}

// isName tells whether a host name is printable ASCII of a length that DNS knows, without a dot at its end.
func isName(b []byte) bool {
	if len(b) > maxName || b[len(b)-1] == '.' {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
