package config

import "strings"

// MaxPrefixSegments bounds a path prefix, and so what matching one path may cost.
const MaxPrefixSegments = 64

// A wildcard pattern is a host that begins with "*.": it stands for names below the rest, never for the rest itself.
// Routes and TLS routes match it at any depth, the longest suffix first; a certificate's covers one label (RFC 6125
// section 6.4.3). All of them file a pattern under its suffix and look names up by their own suffixes:
//
//	for i := NextSuffix(name, 0); i > 0; i = NextSuffix(name, i) {
//		found := wildcards[name[i:]]
//	}

// WildcardSuffix returns the suffix of a wildcard pattern: ".example.com" of "*.example.com".
func WildcardSuffix(pattern string) (suffix string, ok bool) {
	if !strings.HasPrefix(pattern, "*.") {
		return "", false
	}
	return pattern[1:], true
}

// NextSuffix returns where in name the next suffix after at begins, at its dot. It returns -1 when there is none.
// Something always precedes a suffix, if only an empty label.
func NextSuffix[T string | []byte](name T, at int) int {
	for i := at + 1; i < len(name); i++ {
		if name[i] == '.' {
			return i
		}
	}
	return -1
}
