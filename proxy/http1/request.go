package http1

import (
	"bytes"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// ParseRequest parses b, a complete head as headEnd delimits it, into h. The head keeps pointing into b.
func ParseRequest(b []byte, h *message.Head, lim *Limits) error {
	h.Reset()
	h.Buf = b
	at, err := parseRequestLine(b, h, lim)
	if err != nil {
		return err
	}
	if err := parseFields(h, at, lim); err != nil {
		return err
	}
	if err := checkHost(h); err != nil {
		return err
	}
	return frameRequest(h)
}

func parseRequestLine(b []byte, h *message.Head, lim *Limits) (next int, err error) {
	end := bytes.IndexByte(b, '\n') - 1 // headEnd has seen the CRLF
	if end > lim.LineBytes {
		return 0, ErrLineTooLong
	}
	line := b[:end]
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return 0, ErrRequestLine
	}
	h.Method = line[:i]
	if !message.ValidToken(h.Method) {
		return 0, ErrMethod
	}
	rest := line[i+1:]
	i = bytes.IndexByte(rest, ' ')
	if i < 0 {
		return 0, ErrRequestLine
	}
	h.Target = rest[:i]
	if h.Version, err = parseVersion(rest[i+1:]); err != nil {
		if h.Target = rest[:i]; strange(h.Target) && !bytes.HasPrefix(rest[i+1:], []byte("HTTP/")) {
			err = ErrNotHTTP
		}
		return 0, err
	}
	return end + 2, parseTarget(h)
}

// strange tells that a target has none of the forms that a client or a person would write.
func strange(target []byte) bool {
	return len(target) > 0 && target[0] != '/' && target[0] != '*' && !bytes.Contains(target, []byte("://"))
}

// parseVersion takes exactly "HTTP/1.0" and "HTTP/1.1"; any other well-formed version is unknown.
func parseVersion(v []byte) (message.Version, error) {
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' || v[5]-'0' > 9 || v[7]-'0' > 9 {
		return 0, ErrVersion
	}
	if v[5] == '1' {
		switch v[7] {
		case '0':
			return message.HTTP10, nil
		case '1':
			return message.HTTP11, nil
		}
	}
	return 0, ErrVersionUnknown
}

// parseTarget takes the four forms of RFC 9112 section 3.2 apart.
func parseTarget(h *message.Head) error {
	switch {
	case !message.ValidTarget(h.Target):
		return ErrTarget
	case string(h.Method) == "CONNECT":
		h.Authority = h.Target
		return nil
	case h.SplitTarget():
		return nil
	}
	return parseAbsolute(h)
}

// parseAbsolute takes an absolute-form target, "http://host[:port][/path][?query]". User information has no place in
// it.
func parseAbsolute(h *message.Head) error {
	t := h.Target
	i := bytes.Index(t, []byte("://"))
	if i < 0 {
		return ErrTarget
	}
	h.Scheme = t[:i]
	if !message.EqualFold(h.Scheme, "http") && !message.EqualFold(h.Scheme, "https") {
		return ErrTarget
	}
	t = t[i+3:]
	end := bytes.IndexAny(t, "/?")
	if end < 0 {
		end = len(t)
	}
	h.Authority = t[:end]
	if !message.ValidHost(h.Authority) {
		return ErrTarget
	}
	h.SplitPath(t[end:])
	return nil
}

// checkHost holds the message to exactly one valid Host (RFC 9112 section 3.2); HTTP/1.0 may do without.
func checkHost(h *message.Head) error {
	switch h.ReconcileAuthority() {
	case message.HostRepeated:
		return ErrHostRepeated
	case message.HostMalformed:
		return ErrHost
	case message.HostDiffers:
		return ErrTargetHost
	case message.AuthorityMalformed:
		return ErrTarget
	}
	if h.Version == message.HTTP11 && !h.Present.Has(message.Host) {
		return ErrHostMissing
	}
	return nil
}
