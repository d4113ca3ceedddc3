package identity

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Pattern is what a name must be like. The zero value fits no name.
type Pattern struct {
	Name  Name // as it is compared
	Stars bool // of the path of a URI: a * in it stands for any segment
}

// maxBytes is the longest pattern: that of a SPIFFE ID.
const maxBytes = 2048

const spiffe = "spiffe://"

// Parse reads a pattern: a URI, of whose path whole segments may be stars, a DNS name, an e-mail address or an IP
// address. The error says what is to be written.
func Parse(s string) (Pattern, error) {
	addr, err := netip.ParseAddr(s)
	switch {
	case s == "":
		return Pattern{}, errors.New("want a name such as spiffe://example.org/ns/default/dc/dc1/svc/web")
	case len(s) > maxBytes:
		return Pattern{}, errors.New("want a name of at most 2048 bytes")
	case !printable(s):
		return Pattern{}, errors.New("want a name of ASCII without spaces: write other bytes of a URI as %XX")
	case err == nil && addr.Zone() != "":
		return Pattern{}, errors.New("want an address without a zone")
	case err == nil:
		return Pattern{Name: Name{IP, addr.Unmap().String()}}, nil
	case strings.Contains(s, ":"):
		return parseURI(s)
	case strings.Contains(s, "="):
		return Pattern{}, errors.New("the subject of a certificate is not looked at: want a name of its " +
			"subjectAltName, such as spiffe://example.org/web or web.example.org")
	case strings.Contains(s, "*"):
		return Pattern{}, errStar
	case strings.Contains(s, "@"):
		return parseEmail(s)
	}
	return parseDNS(s)
}

var errStar = errors.New("a star stands for one whole segment of a URI's path, such as " +
	"spiffe://example.org/ns/default/dc/*/svc/web")

// ParseName reads a name as Parse does, without stars.
func ParseName(s string) (Name, error) {
	p, err := Parse(s)
	if err == nil && p.Stars {
		err = errors.New("want one name, without stars")
	}
	return p.Name, err
}

func parseURI(s string) (Pattern, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" && u.Path == "" {
		return Pattern{}, errors.New("want a URI such as spiffe://example.org/web")
	}
	p := Pattern{Name: Name{URI, uniformURI(s)}}
	if strings.HasPrefix(p.Name.Text, spiffe) {
		if err := checkSPIFFE(p.Name.Text[len(spiffe):]); err != nil {
			return Pattern{}, err
		}
	}
	scheme, path, _ := strings.Cut(p.Name.Text, "://")
	authority, path, _ := strings.Cut(path, "/")
	path, rest := cutPath(path)
	if strings.Contains(scheme+authority+rest, "*") || u.Host == "" && strings.Contains(s, "*") {
		return Pattern{}, errStar
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "*":
			p.Stars = true
		case strings.Contains(segment, "*"):
			return Pattern{}, errStar
		}
	}
	return p, nil
}

// cutPath parts the path from the query and the fragment.
func cutPath(s string) (path, rest string) {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// checkSPIFFE holds what follows spiffe:// to the form of a SPIFFE ID: no certificate has another.
func checkSPIFFE(id string) error {
	domain, path, _ := strings.Cut(id, "/")
	switch {
	case domain == "":
		return errors.New("want a trust domain behind spiffe://, such as spiffe://example.org/web")
	case strings.ContainsAny(domain, ":@"):
		return errors.New("the trust domain of a SPIFFE ID has neither a port nor a user")
	case strings.ContainsAny(id, "?#%"):
		return errors.New("a SPIFFE ID has neither a query nor a fragment nor anything encoded")
	case domain == id:
		return errors.New("want a path behind the trust domain, such as spiffe://" + domain +
			"/ns/default/dc/dc1/svc/web; a star stands for any segment")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New("the path of a SPIFFE ID has no empty segment and no dots alone")
		}
	}
	return nil
}

func parseEmail(s string) (Pattern, error) {
	local, domain, _ := strings.Cut(s, "@")
	if local == "" || strings.Contains(domain, "@") || !isDNS(domain) {
		return Pattern{}, errors.New("want an e-mail address such as ann@example.org")
	}
	return Pattern{Name: Name{Email, uniformEmail(s)}}, nil
}

func parseDNS(s string) (Pattern, error) {
	if !isDNS(s) {
		return Pattern{}, errors.New("want a URI such as spiffe://example.org/web, or a DNS name such as " +
			"web.example.org")
	}
	return Pattern{Name: Name{DNS, lower(s)}}, nil
}

// isDNS tells whether s is labels of letters, digits, - and _.
func isDNS(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i] | 0x20; !('a' <= c && c <= 'z' || '0' <= label[i] && label[i] <= '9' ||
				label[i] == '-' || label[i] == '_') {
				return false
			}
		}
	}
	return len(s) <= 253
}

// String is the pattern as it is compared.
func (p Pattern) String() string { return p.Name.Text }

// Fits tells whether n is as wanted.
func (p Pattern) Fits(n Name) bool {
	if p.Name.Kind != n.Kind {
		return false
	}
	want, text := p.Name.Text, n.Text
	if !p.Stars {
		return want == text
	}
	if w, t := want[len(want)-1], text; w != '*' && (t == "" || t[len(t)-1] != w) {
		return false // mostly, and cheaper than all that follows
	}
	for {
		i := strings.Index(want, "/*")
		if i++; i == 0 {
			return want == text
		}
		if len(text) < i || text[:i] != want[:i] {
			return false
		}
		want, text = want[i+len("*"):], text[i:]
		end := 0
		for end < len(text) && text[end] != '/' && text[end] != '?' && text[end] != '#' {
			end++
		}
		if end == 0 {
			return false
		}
		text = text[end:]
	}
}
