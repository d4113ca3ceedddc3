package http2

import (
	"bytes"
	"strconv"
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Fields is a head or trailer section to be sent: pseudo-header fields first, then the others in order. It copies no
// more than it must: what it was given has to stay as it is until the section was written. Reset makes it ready for
// another; the memory of a small one stays.
type Fields struct {
	list    []field
	scratch []byte // lower-cased names and numbers
	size    int    // RFC 9113 section 10.5.1
	isHead  bool   // the method is HEAD
}

type field struct {
	name  string // lower case
	value []byte
	how   indexing

	static uint8 // the first entry of the static table with the name; 0: none
}

// connectionFields never go into HTTP/2, and Host is what :authority says (RFC 9113 sections 8.2.2 and 8.3.1).
const connectionFields = message.ConnectionFields | 1<<message.HTTP2Settings | 1<<message.TE | 1<<message.Host

// keepFields is how many fields a section may have whose memory is kept for another one, and keepScratch how many bytes
// of names and numbers.
const (
	keepFields  = 64
	keepScratch = 1 << 10
)

// Reset forgets the fields, and gives up the memory of a large section.
func (f *Fields) Reset() {
	if cap(f.list) > keepFields || cap(f.scratch) > keepScratch {
		*f = Fields{}
		return
	}
	clear(f.list)
	*f = Fields{list: f.list[:0], scratch: f.scratch[:0]}
}

// Request begins a request. An empty authority is left out.
func (f *Fields) Request(method, scheme, authority, path []byte) {
	f.method(method)
	f.put(staticScheme, ":scheme", scheme, indexed)
	if len(authority) > 0 {
		f.put(staticAuthority, ":authority", authority, indexed)
	}
	how := indexed
	if len(path) > 64 || bytes.IndexByte(path, '?') >= 0 {
		how = notIndexed // with a query or an id in it: another one each time
	}
	f.put(staticPath, ":path", path, how)
}

func (f *Fields) method(m []byte) {
	f.isHead = string(m) == "HEAD"
	f.put(staticMethod, ":method", m, indexed)
}

// Status begins a response.
func (f *Fields) Status(code int) {
	at := len(f.scratch)
	f.scratch = strconv.AppendInt(f.scratch, int64(code), 10)
	f.put(staticStatus, ":status", f.scratch[at:len(f.scratch):len(f.scratch)], indexed)
}

// AddHead adds the fields of h, in their order, but for those in drop, those its Connection named, and those that
// HTTP/2 must not carry. Whether TE goes on is for [Fields.AddTETrailers].
func (f *Fields) AddHead(h *message.Head, drop message.Set) {
	drop |= connectionFields
	for i := range h.Fields {
		from := &h.Fields[i]
		if from.Hop || drop.Has(from.ID) {
			continue
		}
		first, name, how := staticOf[from.ID], from.ID.Name(), indexingOf[from.ID]
		if from.ID == message.Other {
			name = f.lower(h.Name(from))
			first = staticNames[name]
			if notIndexedNames[name] {
				how = notIndexed
			}
		}
		if from.Sensitive {
			how = neverIndexed
		}
		f.put(first, name, h.Value(from), how)
	}
}

// Add adds one field of a name in any case.
func (f *Fields) Add(name, value []byte) {
	id := message.Lookup(name)
	if id != message.Other {
		f.put(staticOf[id], id.Name(), value, indexingOf[id])
		return
	}
	lower := f.lower(name)
	how := indexed
	if notIndexedNames[lower] {
		how = notIndexed
	}
	f.put(staticNames[lower], lower, value, how)
}

// AddID adds one known field.
func (f *Fields) AddID(id message.ID, value []byte) {
	f.put(staticOf[id], id.Name(), value, indexingOf[id])
}

// BeginField begins a field of a name in lower case: its value is appended to what is returned.
func (f *Fields) BeginField([]byte) []byte { return f.scratch }

// EndField ends the field. b is what BeginField returned with the value behind it, of which n bytes are. It stays in
// the memory of f.
func (f *Fields) EndField(name, b []byte, n int) {
	f.scratch = b
	f.Add(name, b[len(b)-n:len(b):len(b)])
}

// AddTETrailers adds "te: trailers", the only TE that HTTP/2 has.
func (f *Fields) AddTETrailers() { f.put(0, "te", valueTrailers, indexed) }

var valueTrailers = []byte("trailers")

// Len is the number of fields so far.
func (f *Fields) Len() int { return len(f.list) }

// clone is a copy that owns all of its memory.
func (f *Fields) clone() *Fields {
	c := &Fields{size: f.size, isHead: f.isHead, list: make([]field, 0, len(f.list))}
	n := 0
	for i := range f.list {
		n += len(f.list[i].name) + len(f.list[i].value)
	}
	own := make([]byte, 0, n)
	for _, p := range f.list {
		at := len(own)
		own = append(append(own, p.name...), p.value...)
		value := own[at+len(p.name) : len(own) : len(own)]
		c.list = append(c.list, field{unsafe.String(unsafe.SliceData(own[at:]), len(p.name)), value, p.how, p.static})
	}
	return c
}

// held is how many bytes a clone takes.
func (f *Fields) held() int {
	return f.size + len(f.list)*(int(unsafe.Sizeof(field{}))-entryOverhead)
}

func (f *Fields) put(static uint8, name string, value []byte, how indexing) {
	f.list = append(f.list, field{name, value, how, static})
	f.size += len(name) + len(value) + entryOverhead
}

// lower is name in lower case: as it lies there when it is that already, else a copy in scratch. When scratch grows,
// what was made before lives on in the old memory.
func (f *Fields) lower(name []byte) string {
	for i, c := range name {
		if c-'A' < 26 {
			return f.lowered(name, i)
		}
	}
	return unsafe.String(unsafe.SliceData(name), len(name))
}

func (f *Fields) lowered(name []byte, from int) string {
	at := len(f.scratch)
	f.scratch = append(f.scratch, name...)
	b := f.scratch[at:]
	for i := from; i < len(b); i++ {
		if b[i]-'A' < 26 {
			b[i] |= 0x20
		}
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}
