package message

// ParseStatus reads a status code: exactly three digits, from 100 to 599 (RFC 9110 section 15). Any other code is
// invalid there, and both codecs refuse the response. Nobody knows whether a 600 has a body, or what it means to a
// cache.
func ParseStatus(b []byte) (status int, ok bool) {
	if len(b) != 3 || b[0]-'1' > 4 || b[1]-'0' > 9 || b[2]-'0' > 9 {
		return 0, false
	}
	return int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0'), true
}

// Bodiless tells whether a response with this status never has a body, whatever its fields say (RFC 9110 section
// 6.4.1).
func Bodiless(status int) bool { return status < 200 || status == 204 || status == 304 }
