package message

import "bytes"

// Version is the wire version a head came in.
type Version uint8

const (
	HTTP10 Version = iota
	HTTP11
	HTTP2
)

// String is the name that access logs use.
func (v Version) String() string {
	switch v {
	case HTTP10:
		return "HTTP/1.0"
	case HTTP2:
		return "HTTP/2.0"
	}
	return "HTTP/1.1"
}

// BodyKind is how the end of a body is known.
type BodyKind uint8

const (
	NoBody     BodyKind = iota // there is none
	Sized                      // ContentLength bytes follow
	Chunked                    // ends by its own framing: chunked coding, or END_STREAM without a length
	UntilClose                 // a response that ends with its connection
)

// Field is where one field lies in the head's buffer.
type Field struct {
	start, nameEnd, valueStart, valueEnd, end uint32
	ID                                        ID
	Hop                                       bool // named by Connection: never forwarded
	// HPACK's never-indexed literal (RFC 7541 section 6.2.3): stays one on every hop
	Sensitive bool
}

// Head is one request or response head. The zero value is ready; Reset makes it so again.
type Head struct {
	Buf    []byte // start line (HTTP/1) and fields, as HTTP/1.1 writes them; owned by the codec
	Fields []Field

	Version Version

	// Of a request. Target is the request target as it came (HTTP/1) or :path; Path and Query are its parts, both raw
	// bytes of it. Authority is the effective host: of the absolute-form target or :authority, else the Host field (RFC
	// 9112 section 3.2.2).
	Method, Target, Path, Query, Authority []byte
	// :scheme, or that of an absolute-form target; empty when the message does not say
	Scheme []byte

	// Of a response.
	Status int
	Reason []byte

	// What the fields say.
	Present       Set // known fields that occur
	Body          BodyKind
	ContentLength int64  // with Sized; -1 otherwise
	Close         bool   // the connection ends after this message
	Upgrade       []byte // protocols offered or chosen, when Connection names Upgrade
	Expect100     bool   // Expect: 100-continue
	TETrailers    bool   // TE names trailers
}

// Reset forgets the message and keeps the memory.
func (h *Head) Reset() {
	f := h.Fields[:0]
	*h = Head{Fields: f, ContentLength: -1}
}

// DropFields gives up the lines. What they said of the message stays: its status, and how it ends.
func (h *Head) DropFields() {
	*h = Head{
		Fields:  h.Fields[:0],
		Version: h.Version, Status: h.Status, Present: h.Present,
		Body: h.Body, ContentLength: h.ContentLength, Close: h.Close,
	}
}

// Add records a field whose bytes lie in Buf: name [start,nameEnd), value [valueStart,valueEnd), its line up to end. It
// returns the ID.
func (h *Head) Add(start, nameEnd, valueStart, valueEnd, end int) ID {
	id := Lookup(h.Buf[start:nameEnd])
	h.Fields = append(h.Fields, Field{
		start: uint32(start), nameEnd: uint32(nameEnd), valueStart: uint32(valueStart), valueEnd: uint32(valueEnd),
		end: uint32(end), ID: id,
	})
	h.Present |= 1 << id
	return id
}

// Append writes a field at the end of Buf and records it: how a codec without lines (HTTP/2) fills a head.
func (h *Head) Append(name, value []byte) ID {
	start := len(h.Buf)
	h.Buf = append(h.Buf, name...)
	nameEnd := len(h.Buf)
	h.Buf = append(h.Buf, ':', ' ')
	valueStart := len(h.Buf)
	h.Buf = append(h.Buf, value...)
	valueEnd := len(h.Buf)
	h.Buf = append(h.Buf, '\r', '\n')
	return h.Add(start, nameEnd, valueStart, valueEnd, len(h.Buf))
}

// Name is the name of f as it came.
func (h *Head) Name(f *Field) []byte { return h.Buf[f.start:f.nameEnd] }

// Value is the value of f without the space around it.
func (h *Head) Value(f *Field) []byte { return h.Buf[f.valueStart:f.valueEnd] }

// Get is the value of the first field with the ID, nil when there is none.
func (h *Head) Get(id ID) []byte {
	if !h.Present.Has(id) {
		return nil
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id {
			return h.Value(f)
		}
	}
	return nil
}

// Find is the value of the first field of that name (lower case), and whether there is one.
func (h *Head) Find(lower string) ([]byte, bool) {
	for i := range h.Fields {
		if f := &h.Fields[i]; EqualFold(h.Name(f), lower) {
			return h.Value(f), true
		}
	}
	return nil, false
}

// Count is how many fields have the ID.
func (h *Head) Count(id ID) (n int) {
	if !h.Present.Has(id) {
		return 0
	}
	for i := range h.Fields {
		if h.Fields[i].ID == id {
			n++
		}
	}
	return n
}

// first is Get and Count in one pass, for an ID that is present.
func (h *Head) first(id ID) (value []byte, n int) {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id {
			if n == 0 {
				value = h.Value(f)
			}
			n++
		}
	}
	return value, n
}

// AppendFields appends, as HTTP/1.1 lines and byte for byte as they came, the fields that are neither in drop nor named
// by Connection.
func (h *Head) AppendFields(dst []byte, drop Set) []byte {
	from, to := uint32(0), uint32(0) // the range of kept lines not copied yet
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Hop || drop.Has(f.ID) {
			continue
		}
		if f.start != to {
			dst = append(dst, h.Buf[from:to]...)
			from = f.start
		}
		to = f.end
	}
	return append(dst, h.Buf[from:to]...)
}

// HasElement tells whether a field with the ID lists the element (lower case), as in Connection: close.
func (h *Head) HasElement(id ID, lower string) bool {
	if !h.Present.Has(id) {
		return false
	}
	for i := range h.Fields {
		if h.Fields[i].ID == id && !EachElement(h.Value(&h.Fields[i]),
			func(e []byte) bool { return !EqualFold(e, lower) }) {
			return true
		}
	}
	return false
}

// EachElement calls f for each element of a comma-separated list, empty ones left out (RFC 9110 section 5.6.1), until f
// says false. It reports whether f never did.
func EachElement(list []byte, f func([]byte) bool) bool {
	for len(list) > 0 {
		e := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			e, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if e = TrimSpace(e); len(e) > 0 && !f(e) {
			return false
		}
	}
	return true
}

// TrimSpace cuts spaces and tabs, the OWS of RFC 9110 section 5.6.3, off both ends.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func equalFoldBytes(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x-'A' < 26 {
			x |= 0x20
		}
		if y-'A' < 26 {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}
