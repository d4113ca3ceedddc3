package http1

import (
	"bytes"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// ParseResponse parses b, a complete head as headEnd delimits it, into h. head tells that the request was a HEAD, whose
// responses have no body (RFC 9112 section 6.3).
func ParseResponse(b []byte, h *message.Head, lim *Limits, head bool) error {
	h.Reset()
	h.Buf = b
	end := bytes.IndexByte(b, '\n') - 1
	line := b[:end]
	if len(line) < 12 || line[8] != ' ' {
		return ErrStatusLine
	}
	var err error
	if h.Version, err = parseVersion(line[:8]); err != nil {
		return ErrStatusLine
	}
	ok := false
	if h.Status, ok = message.ParseStatus(line[9:12]); !ok {
		return ErrStatusLine
	}
	if len(line) > 12 { // RFC 9112 section 4 wants the space even before an empty reason; common servers leave it out
		if line[12] != ' ' || !message.ValidValue(line[13:]) {
			return ErrStatusLine
		}
		h.Reason = line[13:]
	}
	if err := parseFields(h, end+2, lim); err != nil {
		return err
	}
	return frameResponse(h, head)
}
