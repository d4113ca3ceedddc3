package http2

import (
	"hash/maphash"
	"strings"
)

// encoder writes header blocks (RFC 7541). Guarded by the connection's mutex: blocks go out in the order they are
// encoded in.
type encoder struct {
	seed  maphash.Seed
	limit int // bytes the peer's decoder keeps, at most tableBytes
	size  int
	least int  // the smallest limit since the last block
	tell  bool // the next block begins with a size update

	entries []entry // oldest first, from gone on
	gone    int
}

// entry is one field of the dynamic table.
type entry struct {
	hash        uint64 // of name and value
	name, value string
}

// tableBytes is the largest dynamic table we keep, for either direction: the size every connection starts with.
const tableBytes = 4096

// entryOverhead is what RFC 7541 section 4.1 adds to the length of a field.
const entryOverhead = 32

func newEncoder() encoder {
	return encoder{seed: maphash.MakeSeed(), limit: tableBytes, least: tableBytes}
}

// setLimit takes the peer's SETTINGS_HEADER_TABLE_SIZE.
func (e *encoder) setLimit(n uint32) {
	limit := int(min(n, tableBytes))
	if limit == e.limit {
		return
	}
	e.limit, e.least, e.tell = limit, min(e.least, limit), true
	e.evict(e.limit)
}

// begin starts a block: a change of the table's size comes first (RFC 7541 section 4.2).
func (e *encoder) begin(dst []byte) []byte {
	if !e.tell {
		return dst
	}
	if e.least < e.limit {
		// Down and up again. Down to nothing is simplest, and Go's decoder takes a second update only when the table is
		// empty.
		e.evict(0)
		dst = appendInt(dst, 0x20, 5, 0)
	}
	dst = appendInt(dst, 0x20, 5, uint64(e.limit))
	e.least, e.tell = e.limit, false
	return dst
}

// field appends one field. Huffman coding is left out: bytes cost little here, and what recurs is indexed.
func (e *encoder) field(dst []byte, p *field) []byte {
	name, value, how := p.name, p.value, p.how
	first := uint64(p.static)
	nameIndex := first
	if first > 0 {
		for i := first - 1; i < staticLen && staticTable[i].name == name; i++ {
			if staticTable[i].value == string(value) && how != neverIndexed {
				return appendInt(dst, 0x80, 7, i+1)
			}
		}
	}
	if how != indexed {
		return appendLiteral(dst, how, nameIndex, name, value)
	}
	hash := maphash.Bytes(e.seed, value) ^ maphash.String(e.seed, name)<<1
	for i := len(e.entries) - 1; i >= e.gone; i-- {
		if en := &e.entries[i]; en.hash == hash && en.value == string(value) && en.name == name {
			return appendInt(dst, 0x80, 7, staticLen+uint64(len(e.entries)-i))
		}
	}
	size := len(name) + len(value) + entryOverhead
	if size > e.limit/2 { // would push out half of the table for one field
		return appendLiteral(dst, notIndexed, nameIndex, name, value)
	}
	if nameIndex == 0 {
		for i := len(e.entries) - 1; i >= e.gone; i-- {
			if e.entries[i].name == name {
				nameIndex = staticLen + uint64(len(e.entries)-i)
				break
			}
		}
	}
	dst = appendLiteral(dst, indexed, nameIndex, name, value)
	e.evict(e.limit - size)
	if first > 0 {
		name = staticTable[first-1].name
	} else {
		name = strings.Clone(name) // the caller's is on loan
	}
	e.entries = append(e.entries, entry{hash, name, string(value)})
	e.size += size
	return dst
}

// evict drops the oldest entries until the table has at most n bytes.
func (e *encoder) evict(n int) {
	for e.size > n && e.gone < len(e.entries) {
		en := &e.entries[e.gone]
		e.size -= len(en.name) + len(en.value) + entryOverhead
		*en = entry{}
		e.gone++
	}
	if e.gone > 64 && e.gone > len(e.entries)/2 {
		live := copy(e.entries, e.entries[e.gone:])
		clear(e.entries[live:])
		e.entries, e.gone = e.entries[:live], 0
	}
}

// appendLiteral writes a literal field (RFC 7541 section 6.2); nameIndex 0 means that the name is written out too.
func appendLiteral(dst []byte, how indexing, nameIndex uint64, name string, value []byte) []byte {
	switch how {
	case indexed:
		dst = appendInt(dst, 0x40, 6, nameIndex)
	case neverIndexed:
		dst = appendInt(dst, 0x10, 4, nameIndex)
	case notIndexed:
		dst = appendInt(dst, 0x00, 4, nameIndex)
	}
	if nameIndex == 0 {
		dst = appendInt(dst, 0, 7, uint64(len(name)))
		dst = append(dst, name...)
	}
	dst = appendInt(dst, 0, 7, uint64(len(value)))
	return append(dst, value...)
}

// appendInt writes n with a prefix of so many bits under the pattern of the first byte (RFC 7541 section 5.1).
func appendInt(dst []byte, pattern byte, bits uint, n uint64) []byte {
	most := uint64(1)<<bits - 1
	if n < most {
		return append(dst, pattern|byte(n))
	}
	dst = append(dst, pattern|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}
