package cluster

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// The balancer of a cluster with balance hash is Maglev's. It is a table with far more slots than endpoints, in which
// each endpoint has as many as its weight is of the sum. A key has one slot. When an endpoint comes or goes, hardly any
// other slot than those that it takes or gives changes. The table depends on addresses and weights alone, so every
// gateway sends a key to the same endpoint.

const (
	// hashSlots is the size of a table, a prime. The shares of 1,000 endpoints are even to some 1 %.
	hashSlots = 65537
	// hashSlotsMany is that for more than manyMembers.
	hashSlotsMany = 655373
	manyMembers   = hashSlots / 10
)

// slotsAfter is slots, or the table of the tier before where that is the same.
func slotsAfter(before *tier, ms []member) []int32 {
	if slices.EqualFunc(before.members, ms, func(a, b member) bool {
		return a.endpoint.address == b.endpoint.address && a.weight == b.weight
	}) {
		return before.slots
	}
	return slots(ms)
}

// slots fills a table for ms: the index of the member of each slot. Each turn every member takes the next free slot of
// its own order, a lighter one not in every turn. That of a single member has one slot.
func slots(ms []member) []int32 {
	if len(ms) == 0 {
		return nil
	}
	if len(ms) == 1 {
		return []int32{0}
	}
	size := uint64(hashSlots)
	if len(ms) > manyMembers {
		size = hashSlotsMany
	}
	t := newTurns(len(ms), size)
	defer spareTurns.Put(t)
	heaviest := int64(0)
	for i := range ms {
		heaviest = max(heaviest, ms[i].weight)
	}
	seats := seatsOf(ms, size)
	for i := range seats {
		t.add(int32(i), 1, int64(ms[seats[i].member].weight), heaviest)
	}
	table := make([]int32, size)
	taken := uint64(0)
	for turn := 1; turn < len(t.first); turn++ {
		for t.first[turn] >= 0 {
			i := t.first[turn]
			t.first[turn] = t.next[i]
			s := &seats[i]
			table[s.take(t.taken, size)] = s.member
			if taken++; taken == size {
				return table
			}
			s.taken++
			t.add(i, s.taken+1, ms[s.member].weight, heaviest)
		}
	}
	return table
}

// turns are who takes a slot in which turn: a list for each turn.
type turns struct {
	taken []uint64 // a bit for each slot: it is looked at ten times as often as a slot is taken
	first []int32  // of a turn's list; -1 = none
	next  []int32  // in the list, by seat
}

// spareTurns are as large as tables. A document may have a hundred of these.
var spareTurns = sync.Pool{New: func() any { return new(turns) }}

func newTurns(members int, slots uint64) *turns {
	t := spareTurns.Get().(*turns)
	t.taken = append(t.taken[:0], make([]uint64, (slots+63)/64)...)
	t.next = slices.Grow(t.next[:0], members)[:members]
	t.first = slices.Grow(t.first[:0], int(slots)+1)[:slots+1]
	for i := range t.first {
		t.first[i] = -1
	}
	return t
}

// add puts a seat into the list of the turn in which it takes its nth slot, if there will be one.
func (t *turns) add(seat int32, n, weight, heaviest int64) {
	turn := (n*heaviest + weight - 1) / weight
	if turn < int64(len(t.first)) {
		t.next[seat] = t.first[turn]
		t.first[turn] = seat
	}
}

// seat is a member while slots are taken: its own order is at, at+step, at+2*step and so on.
type seat struct {
	member   int32
	taken    int64
	at, step uint64
}

// seatsOf gives the seats in an order that does not depend on that of ms.
func seatsOf(ms []member, size uint64) []seat {
	seats := make([]seat, len(ms))
	for i := range ms {
		h := Hash([]byte(ms[i].endpoint.address))
		seats[i] = seat{member: int32(i), at: h % size, step: 1 + mix(h)%(size-1)}
	}
	slices.SortFunc(seats, func(a, b seat) int {
		return cmp.Compare(ms[a.member].endpoint.address, ms[b.member].endpoint.address)
	})
	return seats
}

// take takes the seat's next free slot.
func (s *seat) take(taken []uint64, size uint64) uint64 {
	for taken[s.at/64]>>(s.at%64)&1 != 0 {
		if s.at += s.step; s.at >= size {
			s.at -= size
		}
	}
	taken[s.at/64] |= 1 << (s.at % 64)
	return s.at
}

// Hash is the key of b for balance hash, never 0. It is the same in every process.
func Hash(b []byte) uint64 {
	const m = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio
	h := uint64(len(b)) * m
	for ; len(b) >= 8; b = b[8:] {
		hi, lo := bits.Mul64(h^binary.LittleEndian.Uint64(b), m)
		h = bits.RotateLeft64(hi^lo, 23) + m
	}
	var last [8]byte
	copy(last[:], b)
	return max(1, mix(h^binary.LittleEndian.Uint64(last[:])))
}

// mix spreads the bits of x over all of it (the finalizer of MurmurHash3). It is one to one.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// hashTries is how many slots of a key are tried before its request goes to any endpoint that may be used.
const hashTries = 16

// hashed leases the endpoint of the key. The requests of one that is ejected or tried already go where the key's next
// slots say. That is always to the same one. A part of the keys of one in a slow start goes there too.
func hashed(t *tier, tried *Tried, key uint64, panicking bool) *Endpoint {
	for n := range uint64(hashTries) {
		m := t.candidate(key, n)
		switch {
		case tried.has(m.health):
		case panicking:
			return m.endpoint.lease()
		case m.yields(key, n):
		case m.health.enter():
			return m.endpoint
		}
	}
	return scan(t.members, tried, panicking)
}

// candidate is the member in the nth slot of a key.
func (t *tier) candidate(key, n uint64) *member {
	if n > 0 {
		key = mix(key + n)
	}
	return &t.members[t.slots[key%uint64(len(t.slots))]]
}

// yields tells whether a member in a slow start leaves the key to the key's next slot.
func (m *member) yields(key, n uint64) bool {
	pace := m.health.pace.Load()
	return pace < full && int64(mix(^key+n)%full) >= pace
}

// HashedTo is the address to which a request with the key goes now; empty where that is left to chance.
func (c *Cluster) HashedTo(key uint64) string {
	v := c.view.Load()
	if key == 0 || v.slots == nil {
		return ""
	}
	if v.split == nil {
		return v.hashedTo(key)
	}
	first, second := v.split.order(key)
	return cmp.Or(first.hashedTo(key), second.hashedTo(key))
}

func (t *tier) hashedTo(key uint64) string {
	for n := range uint64(hashTries) {
		if m := t.candidate(key, n); !m.yields(key, n) && m.health.open() {
			return m.endpoint.address
		}
	}
	return ""
}
