package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pathPrefix is normalised as request paths are for the match: unreserved %XX
// decoded, dot segments removed, no slash at its end.
var pathPrefix = text(func(s string) (string, error) {
	s, err := checkPath(s)
	if err != nil {
		return "", err
	}
	if err := checkPlaceholders(s, "(/.*)?"); err != nil {
		return "", err
	}
	if all := strings.TrimRight(s, "*"); all != s {
		return "", fmt.Errorf("want a prefix without the *, which stands for itself: %s matches all below it",
			prefixForm(all))
	}
	normal, _, ok := NormalPath([]byte(s), nil)
	if !ok {
		return "", errors.New("want a path that does not climb above the root")
	}
	return "/" + strings.TrimRight(string(normal[1:]), "/"), nil
})

// exactPath is a whole path, normalised as request paths are for the match. A slash at its end counts.
var exactPath = text(func(s string) (string, error) {
	if err := checkPathForm(s); err != nil {
		return "", err
	}
	if err := checkPlaceholders(s, ""); err != nil {
		return "", err
	}
	if all := strings.TrimRight(s, "*"); all != s {
		return "", fmt.Errorf("want a path without the *, which stands for itself: "+
			"path_prefix: %s matches all below it", prefixForm(all))
	}
	normal, _, ok := NormalPath([]byte(s), nil)
	if !ok {
		return "", errors.New("want a path that does not climb above the root")
	}
	return string(normal), nil
})

// checkPlaceholders refuses segments such as {id} and :id, which stand for any segment elsewhere. behind is what the
// pattern in their place ends in.
func checkPlaceholders(s, behind string) error {
	segments, found := strings.Split(s, "/"), ""
	for i, segment := range segments {
		name, colon := strings.CutPrefix(segment, ":")
		_, brace := strings.CutPrefix(segment, "{")
		if colon && name != "" || brace && strings.HasSuffix(segment, "}") {
			segments[i], found = "[^/]+", segment
		} else {
			segments[i] = regexp.QuoteMeta(segment)
		}
	}
	if found == "" {
		return nil
	}
	return fmt.Errorf("want a path without %s, which stands for itself: path_regex: %q has any segment there",
		clip(found), clip(strings.Join(segments, "/")+behind))
}

// checkNoVariables refuses what looks like a variable in a path that has none.
func checkNoVariables(s string) error {
	if i := strings.IndexByte(s, '$'); i >= 0 && i+1 < len(s) && (s[i+1] == '{' || isNameByte(s[i+1])) {
		return errors.New("want a path without variables: only the values of headers have them")
	}
	return nil
}

// prefixForm is what was probably meant by a prefix that had a star at its end.
func prefixForm(s string) string {
	if s = strings.TrimRight(s, "/"); s == "" {
		return "/"
	}
	return clip(s)
}

// pathRewrite goes upstream as it is, but for a slash at its end.
var pathRewrite = text(checkRewrite)

func checkRewrite(s string) (string, error) {
	if err := checkNoVariables(s); err != nil {
		return "", err
	}
	return checkPath(s)
}

// requestPath is a whole path with its query, as in a request line.
var requestPath = text(func(s string) (string, error) {
	path, query, _ := strings.Cut(s, "?")
	if _, err := checkPath(path); err != nil {
		return "", err
	}
	return s, checkPathBytes(query)
})

// checkPathForm takes what may be written in a request line.
func checkPathForm(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return errors.New("want a path that begins with /")
	case strings.ContainsAny(s, "?#"):
		return errors.New("want a path without ? and #")
	}
	return checkPathBytes(s)
}

// checkPath takes what may be written in a request line and drops slashes at its end.
func checkPath(s string) (string, error) {
	if err := checkPathForm(s); err != nil {
		return "", err
	}
	s = strings.TrimRight(s, "/")
	if s == "" {
		s = "/"
	}
	if strings.Count(s, "/") > MaxPrefixSegments {
		return "", fmt.Errorf("want a path of at most %d segments", MaxPrefixSegments)
	}
	return s, nil
}

func checkPathBytes(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f:
			return errors.New("want a path without spaces, control bytes and bytes above ASCII: write them as %XX")
		case c == '%' && (i+2 >= len(s) || Unhex(s[i+1]) > 15 || Unhex(s[i+2]) > 15):
			return errors.New("want two hex digits after each %")
		}
	}
	return nil
}
