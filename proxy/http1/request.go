package http1

import (
	"bytes"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Preface is how an HTTP/2 client with prior knowledge begins (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// ParseRequest parses b, a complete head as [HeadEnd] delimits it, into h. The head keeps pointing into b.
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
	end := bytes.IndexByte(b, '\n') - 1 // HeadEnd has seen the CRLF
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

// parseTarget takes the four forms of RFC 9112 section 3.2 apart. Bytes over 0x7f pass untouched, as they do in nginx and Envoy.
func parseTarget(h *message.Head) error {
	t := h.Target
	if len(t) == 0 {
		return ErrTarget
	}
	for _, c := range t {
		if c <= ' ' || c == 0x7f || c == '#' {
			return ErrTarget
		}
	}
	switch {
	case string(h.Method) == "CONNECT":
		h.Authority = t
		return nil
	case t[0] == '/':
		h.Path = t
	case len(t) == 1 && t[0] == '*':
		if string(h.Method) != "OPTIONS" {
			return ErrTarget
		}
		h.Path = t
		return nil
	default:
		if err := parseAbsolute(h); err != nil {
			return err
		}
	}
	if i := bytes.IndexByte(h.Path, '?'); i >= 0 {
		h.Path, h.Query = h.Path[:i], h.Path[i+1:]
	}
	return nil
}

// parseAbsolute takes an absolute-form target, "http://host[:port][/path][?query]". User information has no place in it.
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
	h.Authority, h.Path = t[:end], t[end:]
	if !message.ValidHost(h.Authority) {
		return ErrTarget
	}
	return nil
}

// checkHost holds the message to exactly one valid Host (RFC 9112 section 3.2); HTTP/1.0 may do without.
func checkHost(h *message.Head) error {
	host := h.Get(message.Host)
	switch n := h.Count(message.Host); {
	case n > 1:
		return ErrHostRepeated
	case n == 0 && h.Version == message.HTTP11:
		return ErrHostMissing
	case n == 0:
		return nil
	}
	if !message.ValidHost(host) {
		return ErrHost
	}
	if string(h.Method) == "CONNECT" {
		return nil
	}
	if h.Authority == nil {
		h.Authority = host
	} else if !bytes.EqualFold(h.Authority, host) {
		return ErrTargetHost
	}
	return nil
}
