package passwords

import (
	"bytes"
	"encoding/base64"
)

// maxPassword is the longest password that bcrypt looks at as a whole.
const maxPassword = 72

// Credentials are what a field Authorization of the scheme Basic has (RFC 7617 section 2). They lie in room, which is
// made larger where it has to be. It is the caller's to clear. ok is false for what is none, or could fit no user.
func Credentials(field, room []byte) (name, password, grown []byte, ok bool) {
	const scheme = "basic "
	if len(field) <= len(scheme) || !bytes.EqualFold(field[:len(scheme)], []byte(scheme)) {
		return nil, nil, room, false
	}
	coded := bytes.TrimLeft(field[len(scheme):], " ")
	if len(coded) > base64.StdEncoding.EncodedLen(maxNameBytes+1+maxPassword) {
		return nil, nil, room, false
	}
	n := base64.StdEncoding.DecodedLen(len(coded))
	room = append(room[:0], make([]byte, n)...)
	n, err := strict.Decode(room, coded)
	if err != nil {
		return nil, nil, room, false
	}
	name, password, ok = bytes.Cut(room[:n], []byte(":"))
	if !ok || len(name) == 0 || len(name) > maxNameBytes || len(password) > maxPassword || hasControl(room[:n]) {
		return nil, nil, room, false
	}
	return name, password, room, true
}

// strict refuses what two texts could stand for. Line ends, which it would pass over, no field has.
var strict = base64.StdEncoding.Strict()

func hasControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}
