package config

import "strconv"

// isStatusSet tells whether s names statuses between low and high: one, such as 429, or a class, such as 5xx.
func isStatusSet(s string, low, high int) bool {
	if isClass(s) {
		return int(s[0]-'0') >= low/100 && int(s[0]-'0') <= high/100
	}
	n, err := strconv.Atoi(s)
	return err == nil && len(s) == 3 && n >= low && n <= high
}

// isClass tells whether s names a class of statuses (RFC 9110 section 15).
func isClass(s string) bool { return len(s) == 3 && s[0]-'1' < 5 && s[1:] == "xx" }

// matchesStatus tells whether status is of those that s, a set, names.
func matchesStatus(s string, status int) bool {
	if isClass(s) {
		return status/100 == int(s[0]-'0')
	}
	return s == strconv.Itoa(status)
}
