package route

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// RequestID is an id that was made for a request that came without one. The zero value is none.
type RequestID struct {
	text [36]byte
	n    uint8
}

// Bytes is the id, empty when the request has its own.
func (id *RequestID) Bytes() []byte { return id.text[:id.n] }

// make makes an id for a request that has none: a random UUID (RFC 9562 version 4). A field that is empty, or for this
// connection only, is none; an empty one is not passed on.
func (id *RequestID) make(h *message.Head) {
	if hasRequestID(h) {
		id.n = 0
		return
	}
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	b := &id.text
	hex.Encode(b[0:8], raw[0:4])
	hex.Encode(b[9:13], raw[4:6])
	hex.Encode(b[14:18], raw[6:8])
	hex.Encode(b[19:23], raw[8:10])
	hex.Encode(b[24:36], raw[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	id.n = uint8(len(b))
}

// ownRequestID is the id that h came with, nil without one.
func ownRequestID(h *message.Head) []byte {
	if !h.Present.Has(message.XRequestID) {
		return nil
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == message.XRequestID && !f.Hop {
			return h.Value(f)
		}
	}
	return nil
}

func hasRequestID(h *message.Head) (has bool) {
	if !h.Present.Has(message.XRequestID) {
		return false
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.XRequestID {
			continue
		}
		f.Hop = f.Hop || len(h.Value(f)) == 0
		has = has || !f.Hop
	}
	return has
}
