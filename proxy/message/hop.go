package message

// ConnectionFields are the fields that HTTP/2 does not have, because they concern one HTTP/1.1 connection (RFC 9113
// section 8.2.2). TE, which may say "trailers" there, is not among them.
const ConnectionFields Set = 1<<Connection | 1<<KeepAlive | 1<<ProxyConnection | 1<<TransferEncoding | 1<<Upgrade

// HopByHop are the fields that a proxy never passes on, in any version (RFC 9110 section 7.6.1). What Connection names
// comes on top of them: see [Field.Hop].
const HopByHop = ConnectionFields | 1<<TE | 1<<HTTP2Settings | 1<<ProxyAuthenticate | 1<<ProxyAuthorization

// maxOptions bounds the options in a message's Connection fields: each is looked for among all fields, and honest
// senders list a few.
const maxOptions = 100

// MarkHop marks every field that a Connection field names, and reports whether its options may be accepted. All must
// be tokens, and not too many. None may name a field that frames or routes the message (which no honest sender lists
// there).
func (h *Head) MarkHop() bool {
	if !h.Present.Has(Connection) {
		return true
	}
	left := maxOptions
	for i := range h.Fields {
		if h.Fields[i].ID != Connection {
			continue
		}
		ok := EachElement(h.Value(&h.Fields[i]), func(option []byte) bool {
			left--
			return left >= 0 && h.markOption(option)
		})
		if !ok {
			return false
		}
	}
	return true
}

// markOption marks the fields that one option of Connection names.
func (h *Head) markOption(option []byte) bool {
	id := Lookup(option)
	switch {
	case id == Host || id == ContentLength:
		return false
	case id == Other && !ValidToken(option):
		return false
	case id != Other && !h.Present.Has(id):
		return true
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id && (id != Other || equalFoldBytes(h.Name(f), option)) {
			f.Hop = true
		}
	}
	return true
}
