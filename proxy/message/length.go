package message

// ParseLength reads the value of one Content-Length field: digits alone (RFC 9110 section 8.6). More than 18 of them
// are a length that nobody has, and need not fit an int64. That the field comes once is for the codec to see to.
func ParseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
