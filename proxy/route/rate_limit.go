package route

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// rateLimit is a token bucket in front of a route. There is one for all its requests, or one for each client address
// or value of a field. It belongs to the route's name, and survives revisions that leave the setting as it is.
//
// A bucket is one number, the time at which it will be full again. A request moves that time by what one token takes to
// come back. It is refused where that would be later than filling an empty bucket takes (the virtual scheduling of
// GCRA).
type rateLimit struct {
	cfg   config.RateLimit
	token int64 // nanoseconds until one token is back
	depth int64 // until an empty bucket is full

	whole atomic.Int64 // key route: the only bucket

	byAddress bool
	field     string // key header: its name in lower case
	seed      maphash.Seed
	shards    []rateShard // nil with key route
}

const (
	rateShards = 64
	// maxBuckets bounds the keys of one route. When there are more, those not seen for the longest time are
	// forgotten, which fills their buckets.
	maxBuckets = 65536
)

func newRateLimit(c config.RateLimit) *rateLimit {
	l := &rateLimit{cfg: c, token: max(1, int64(float64(time.Second)/c.Rate))}
	l.depth = l.token * int64(c.Burst)
	if c.Key == config.RateLimitRoute {
		return l
	}
	l.field, _ = strings.CutPrefix(c.Key, config.RateLimitHeader)
	l.byAddress = c.Key == config.RateLimitRemoteIP
	l.seed = maphash.MakeSeed()
	l.shards = make([]rateShard, rateShards)
	return l
}

// rateLimit is the limit of a route: the one in force if its setting is the same, nil if it has none. t may be nil.
func (t *Table) rateLimit(c *config.Route) *rateLimit {
	if c.RateLimit.Rate <= 0 {
		return nil
	}
	if t != nil {
		if l := t.rates[c.Name]; l != nil && l.cfg == c.RateLimit {
			return l
		}
	}
	return newRateLimit(c.RateLimit)
}

// spend takes a token from a bucket that is full at the moment full. wait is how long until there will be one, 0 if
// there was. next is when the bucket is full now.
func (l *rateLimit) spend(full, now int64) (next, wait int64) {
	next = max(full, now) + l.token
	if wait = next - now - l.depth; wait > 0 {
		return full, wait
	}
	return next, 0
}

// take takes a token for a request and tells how long it would have to wait for one; 0: it need not. remote is the
// client's address as a trusted proxy tells it, or the zero Addr.
func (l *rateLimit) take(h *message.Head, c *Client, remote netip.Addr, now int64) time.Duration {
	switch {
	case l.shards == nil:
		return time.Duration(l.takeWhole(now))
	case l.byAddress:
		return time.Duration(l.takeKey(l.address(c, remote), now))
	}
	v, _ := h.Find(l.field) // requests without the field share a bucket
	return time.Duration(l.takeKey(maphash.Bytes(l.seed, v), now))
}

// address is the key of the client's address, however it was written.
func (l *rateLimit) address(c *Client, remote netip.Addr) uint64 {
	if !remote.IsValid() {
		return maphash.String(l.seed, c.IP)
	}
	var b [64]byte
	return maphash.Bytes(l.seed, remote.AppendTo(b[:0]))
}

func (l *rateLimit) takeWhole(now int64) (wait int64) {
	for {
		full := l.whole.Load()
		next, wait := l.spend(full, now)
		if wait > 0 || l.whole.CompareAndSwap(full, next) {
			return wait
		}
	}
}

// takeKey takes a token from the bucket of one key. Keys are kept as their hashes under a secret seed. So each takes
// the same small room, however long the field was, and nobody can choose one that shares a bucket with another.
func (l *rateLimit) takeKey(key uint64, now int64) (wait int64) {
	s := &l.shards[key%rateShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucket(key)
	b.full, wait = l.spend(b.full, now)
	return wait
}

// rateShard is a part of the keys.
type rateShard struct {
	mu sync.Mutex
	// +checklocks:mu
	places map[uint64]int32
	// buckets are a ring by use: from the newest, older leads to the oldest, and back.
	// +checklocks:mu
	buckets []tokens
	// +checklocks:mu
	newest int32
}

// tokens is the bucket of one key.
type tokens struct {
	key          uint64
	full         int64
	newer, older int32
}

// bucket finds the bucket of key, which is the newest then. One that was not there is full.
//
// +checklocks:s.mu
func (s *rateShard) bucket(key uint64) *tokens {
	i, ok := s.places[key]
	switch {
	case ok:
	case len(s.buckets) < maxBuckets/rateShards:
		i = s.add()
	default:
		i = s.buckets[s.newest].newer // round the ring: the oldest
		delete(s.places, s.buckets[i].key)
		s.buckets[i].full = 0
	}
	if !ok {
		s.places[key] = i
		s.buckets[i].key = key
	}
	s.touch(i)
	return &s.buckets[i]
}

// add makes a bucket, as the oldest.
//
// +checklocks:s.mu
func (s *rateShard) add() int32 {
	i := int32(len(s.buckets))
	if i == 0 {
		s.places = map[uint64]int32{}
		s.buckets = append(s.buckets, tokens{})
		return 0
	}
	oldest := s.buckets[s.newest].newer
	s.buckets = append(s.buckets, tokens{newer: oldest, older: s.newest})
	s.buckets[oldest].older, s.buckets[s.newest].newer = i, i
	return i
}

// touch makes a bucket the newest.
//
// +checklocks:s.mu
func (s *rateShard) touch(i int32) {
	if i == s.newest {
		return
	}
	b := &s.buckets[i]
	s.buckets[b.newer].older, s.buckets[b.older].newer = b.older, b.newer
	top := &s.buckets[s.newest]
	b.newer, b.older = top.newer, s.newest
	s.buckets[top.newer].older, top.newer = i, i
	s.newest = i
}
