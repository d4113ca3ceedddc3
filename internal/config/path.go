package config

import (
	"errors"
	"fmt"
	"strings"
)

// maxSegments bounds a prefix, and so what matching one path may cost.
const maxSegments = 64

// pathPrefix is normalised as request paths are for the match: unreserved %XX
// decoded, dot segments removed, no slash at its end.
var pathPrefix = text(func(s string) (string, error) {
	s, err := checkPath(s)
	if err != nil {
		return "", err
	}
	return normalise(s)
})

// pathRewrite goes upstream as it is, but for a slash at its end.
var pathRewrite = text(checkPath)

// requestPath is a whole path with its query, as in a request line.
var requestPath = text(func(s string) (string, error) {
	path, query, _ := strings.Cut(s, "?")
	if _, err := checkPath(path); err != nil {
		return "", err
	}
	return s, checkPathBytes(query)
})

// checkPath takes what may be written in a request line and drops slashes at its end.
func checkPath(s string) (string, error) {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", errors.New("want a path that begins with /")
	case strings.ContainsAny(s, "?#"):
		return "", errors.New("want a path without ? and #")
	}
	if err := checkPathBytes(s); err != nil {
		return "", err
	}
	s = strings.TrimRight(s, "/")
	if s == "" {
		s = "/"
	}
	if strings.Count(s, "/") > maxSegments {
		return "", fmt.Errorf("want a path of at most %d segments", maxSegments)
	}
	return s, nil
}

func checkPathBytes(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f:
			return errors.New("want a path without spaces, control bytes and bytes above ASCII: write them as %XX")
		case c == '%' && (i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0):
			return errors.New("want two hex digits after each %")
		}
	}
	return nil
}

// normalise decodes what is the same with and without %XX and removes dot
// segments. Empty segments, %2F and \ stay as they are.
func normalise(s string) (string, error) {
	var out []string
	for segment := range strings.SplitSeq(decodeUnreserved(s)[1:], "/") {
		switch segment {
		case ".":
		case "..":
			if len(out) == 0 {
				return "", errors.New("want a path that does not climb above the root")
			}
			out = out[:len(out)-1]
		default:
			out = append(out, segment)
		}
	}
	return "/" + strings.TrimRight(strings.Join(out, "/"), "/"), nil
}

// decodeUnreserved decodes the %XX that RFC 3986 section 6.2.2.2 calls equivalent.
func decodeUnreserved(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if c := byte(unhex(s[i+1])<<4 | unhex(s[i+2])); isUnreserved(c) {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
