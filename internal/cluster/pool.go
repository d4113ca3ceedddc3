package cluster

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeAfter is how long an idle connection is given out without a look at its socket. Requests of HTTP/1.1 look
	// sooner, by a rule of their own (package proxy/forward).
	probeAfter = time.Second
	// probeEvery is how often the reaper checks an idle connection.
	probeEvery = 5 * time.Second
	// probesAtOnce bounds the peeks (some 0.3 us each) in one hold of an endpoint's lock.
	probesAtOnce = 32
)

// Conn is what a pool holds: a connection to an endpoint, made by the layer above.
type Conn interface {
	// Close closes it, and releases the slot it was dialled under. It must not block.
	Close() error
	// Usable tells whether the idle connection may carry another request. It may
	// peek at the socket and never blocks. Called only for connections that
	// were idle for over a second.
	Usable() bool
}

// idle is an endpoint's stack of idle connections. The most recently used is on top, the oldest at the bottom, in a
// ring so that both ends are cheap.
type idle struct {
	clock *clock
	count atomic.Int32 // len, to be read without the lock

	mu sync.Mutex // never held over Close
	// +checklocks:mu
	ring []pooled
	// +checklocks:mu
	bottom int // index of the oldest
	// +checklocks:mu
	len int
	// +checklocks:mu
	max int
	// +checklocks:mu
	timeout time.Duration
	// +checklocks:mu
	closed bool // retired: nothing is kept
}

// pooled is an idle connection. Times are the clock's.
type pooled struct {
	conn    Conn
	since   time.Duration // put back
	until   time.Duration // end of its idle time
	checked time.Duration // last seen usable
}

// Take returns the most recently used idle connection, or nil.
func (e *Endpoint) Take() Conn {
	for {
		now := e.idle.clock.coarse()
		p, ok := e.idle.pop()
		if !ok {
			return nil
		}
		if p.fit(now) {
			return p.conn
		}
		_ = p.conn.Close()
	}
}

// fit tells whether a connection from the pool may be used.
func (p *pooled) fit(now time.Duration) bool {
	return now < p.until && (now-p.since <= probeAfter || p.conn.Usable())
}

// Put gives a connection back as the most recently used. maxIdle is what the
// peer allows (Keep-Alive: timeout): 0 = it said nothing, negative = do not keep.
// The pool owns c from here on: it closes what it does not keep.
func (e *Endpoint) Put(c Conn, maxIdle time.Duration) {
	if maxIdle < 0 {
		_ = c.Close()
		return
	}
	if out := e.idle.push(c, maxIdle); out != nil {
		_ = out.Close()
	}
	if e.group.waiting.Load() > 0 {
		e.group.putWhileWaiting(e)
	}
}

// push keeps c and returns what has no room: c itself, the oldest, or nothing.
func (p *idle) push(c Conn, maxIdle time.Duration) (out Conn) {
	now := p.clock.coarse()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.max <= 0 {
		return c
	}
	if p.len >= p.max {
		out = p.takeBottom().conn
	}
	if p.len == len(p.ring) {
		p.grow()
	}
	keep := p.timeout
	if maxIdle > 0 && maxIdle < keep {
		keep = maxIdle
	}
	p.ring[p.at(p.len)] = pooled{conn: c, since: now, until: now + keep, checked: now}
	p.setLen(p.len + 1)
	return out
}

func (p *idle) pop() (pooled, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.len == 0 {
		return pooled{}, false
	}
	i := p.at(p.len - 1)
	top := p.ring[i]
	p.ring[i] = pooled{}
	p.setLen(p.len - 1)
	return top, true
}

// popOldest gives up the connection that is least likely to be missed.
func (p *idle) popOldest() Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.len == 0 {
		return nil
	}
	return p.takeBottom().conn
}

// reap takes out what has been idle for too long or was closed by the peer.
func (p *idle) reap() []Conn {
	if p.count.Load() == 0 {
		return nil
	}
	now, probes := p.clock.coarse(), 0
	var out []Conn
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := 0
	for i := range p.len {
		c := p.ring[p.at(i)]
		dead := now >= c.until
		if !dead && now-c.checked >= probeEvery && probes < probesAtOnce {
			probes++
			dead, c.checked = !c.conn.Usable(), now
		}
		if dead {
			out = append(out, c.conn)
			continue
		}
		p.ring[p.at(kept)] = c
		kept++
	}
	for i := kept; i < p.len; i++ {
		p.ring[p.at(i)] = pooled{}
	}
	p.setLen(kept)
	return out
}

// Doubt closes the connections that have been idle for longer than the endpoint has been silent on one that was kept,
// although it owed something. The path of all of them may be gone without FIN or RST, and a look at a socket does not
// find that. What was used since is kept.
func (e *Endpoint) Doubt(silence time.Duration) { closeAll(e.idle.unusedFor(silence)) }

// unusedFor takes out what was put back longer ago than that.
func (p *idle) unusedFor(d time.Duration) []Conn {
	before := p.clock.now() - d
	var out []Conn
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.len > 0 && p.ring[p.bottom].since < before { // the oldest is at the bottom
		out = append(out, p.takeBottom().conn)
	}
	return out
}

// configure sets the bounds of a revision and returns what they leave no room for.
func (p *idle) configure(maxIdle int, timeout time.Duration) []Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.max, p.timeout = maxIdle, timeout
	var out []Conn
	for p.len > max(maxIdle, 0) {
		out = append(out, p.takeBottom().conn)
	}
	return out
}

// shut takes everything out and keeps nothing from now on.
func (p *idle) shut() []Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Conn
	for p.len > 0 {
		out = append(out, p.takeBottom().conn)
	}
	p.closed, p.ring = true, nil
	return out
}

// +checklocks:p.mu
func (p *idle) at(i int) int {
	i += p.bottom
	if i >= len(p.ring) {
		i -= len(p.ring)
	}
	return i
}

// +checklocks:p.mu
func (p *idle) setLen(n int) {
	p.len = n
	p.count.Store(int32(n))
}

// +checklocks:p.mu
func (p *idle) takeBottom() pooled {
	c := p.ring[p.bottom]
	p.ring[p.bottom] = pooled{}
	p.bottom = p.at(1)
	p.setLen(p.len - 1)
	return c
}

// +checklocks:p.mu
func (p *idle) grow() {
	ring := make([]pooled, max(4, 2*len(p.ring)))
	for i := range p.len {
		ring[i] = p.ring[p.at(i)]
	}
	p.ring, p.bottom = ring, 0
}

func closeAll(conns []Conn) {
	for _, c := range conns {
		_ = c.Close() // the peer may have been first
	}
}
