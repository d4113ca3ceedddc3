package netio

import (
	"context"
	"errors"
	"os"
	"time"
)

// ParkedPeriod is the least time between two looks at the deadlines of parked connections, and so how late one of them
// may be.
const ParkedPeriod = time.Second

// Resumer goes on with a connection that was parked. Exactly one of the two calls follows a [Conn.Park] that took it,
// or none after an [Conn.Unpark] that gave it back.
type Resumer interface {
	// Resume runs in a fresh goroutine once a read would not wait: bytes or the peer's end have come, Interrupt was
	// called, or Close. Reading tells which.
	Resume()
	// Expire is called when the moment given to SetReadDeadline has passed. It must not block: many may be waiting
	// behind it.
	Expire()
}

// parkedSet has the parked connections of a Sweeper. Its fields are guarded by the Sweeper's mutex.
type parkedSet struct {
	list
	table  []*Conn  // by descriptor
	ticket uint32   // the latest one given
	open   bool     // keep is running
	set    *pollSet // tells which can be read; nil until the first is parked
	looked int64    // when the deadlines were looked at; 0: never
	next   int64    // when they will be; 0: none is near
}

// Park waits for c without a goroutine: the caller's must end, without touching c any more, and r goes on where it left
// off. Before that it has called [Conn.SetReadDeadline]; nobody changes it while c is parked. False means that it
// cannot be done here, and c is still the caller's. The reason may be TLS, another system, no sweeper at work, no
// descriptors, or a wake-up that is due already.
//
// Nothing is lost between the caller's last read and the parking. The kernel reports what is readable when the
// descriptor is armed, not only what comes afterwards.
func (c *Conn) Park(r Resumer) bool {
	if !c.plain {
		return false
	}
	took := false
	// Within Control the descriptor is not closed, so it is not another connection's. Once it is armed c may already
	// belong to the resumed goroutine, and only took is looked at.
	err := c.raw.Control(func(fd uintptr) { took = c.sweeper.park(c, int(fd), r) })
	return err == nil && took
}

// Unpolled tells whether the runtime's poller does not know of c yet. As long as that is so, c costs less parked than
// with a goroutine that waits.
func (c *Conn) Unpolled() bool {
	s, ok := c.Conn.(interface{ unpolled() bool })
	return ok && s.unpolled()
}

// ParkWith is Park for a connection whose owner also wants to know when something comes at another one, over which it
// reads nothing meanwhile. The first of them that can be read, or is closed or interrupted, has r go on, once, with
// both. The other one may be under TLS; it needs a socket.
func (c *Conn) ParkWith(other *Conn, r Resumer) bool {
	if !c.plain || other.raw == nil {
		return false
	}
	took := false
	_ = c.raw.Control(func(fd uintptr) { // an error means closed, and took is false
		_ = other.raw.Control(func(otherFD uintptr) {
			took = c.sweeper.parkPair(&pair{c, other, r}, int(fd), int(otherFD))
		})
	})
	return took
}

// pair owns two connections that are parked together.
type pair struct {
	read, watched *Conn
	Resumer
}

// besides is the one of the two that is not c.
func (p *pair) besides(c *Conn) *Conn {
	if c == p.read {
		return p.watched
	}
	return p.read
}

// Unpark gives a parked connection to the caller, in the place of its Resumer, which will not be called. False: it is
// not parked. Safe from any goroutine.
func (c *Conn) Unpark() bool {
	s := c.sweeper
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.place != inParked {
		return false
	}
	s.recall(c)
	return true
}

// Parked is the number of connections that wait without a goroutine.
func (s *Sweeper) Parked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parked.count
}

// park moves c, whose descriptor is fd, into the parked set. The kernel is told under the lock: afterwards, c may be
// resumed and parked anew before it is.
func (s *Sweeper) park(c *Conn, fd int, r Resumer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parkable(c) && s.enter(c, fd, r)
}

func (s *Sweeper) parkPair(p *pair, fd, watchedFD int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.parkable(p.read) || !s.parkable(p.watched) || !s.enter(p.read, fd, p) {
		return false
	}
	if s.enter(p.watched, watchedFD, p) {
		return true
	}
	s.vacate(p.read)
	s.rouse(p.read)
	return false
}

// parkable reports whether c can be moved into the parked set.
//
// +checklocks:s.mu
func (s *Sweeper) parkable(c *Conn) bool {
	// Interrupt sets its mark before it asks, under this lock, whether c is parked: either we see the mark, or it sees
	// c.
	return s.parked.ready(s) && c.place == inList && c.readAt.Load() >= 0 && !c.interrupt.Load()
}

// enter moves c into the parked set and has the kernel watch it. False: the kernel does not.
//
// +checklocks:s.mu
func (s *Sweeper) enter(c *Conn, fd int, r Resumer) bool {
	l := &s.parked
	for fd >= len(l.table) {
		l.table = append(l.table, nil)
	}
	if l.ticket++; l.ticket == 0 {
		l.ticket = 1
	}
	again := c.ticket != 0 // it was there before: its descriptor is in the set, disarmed
	if !l.set.arm(fd, l.ticket, again) {
		c.ticket = 0
		return false
	}
	s.awake.drop(c)
	c.place, c.owner, c.fd, c.ticket = inParked, r, int32(fd), l.ticket
	l.table[fd] = c
	l.push(c)
	if at := c.readAt.Load(); at != 0 && (l.next == 0 || at < l.next) {
		l.checkAt(s, at)
	}
	return true
}

// ready makes the set when it is needed for the first time.
func (l *parkedSet) ready(s *Sweeper) bool {
	if l.set == nil && l.open {
		set, err := newPollSet()
		if err != nil {
			return false
		}
		l.set = set
		s.wakeKeep <- struct{}{} // there is room: only one set is made for each run of keep
	}
	return l.set != nil
}

// checkAt has keep look at the deadlines at that moment, but not too soon after the last time; 0: not before it is told
// to.
func (l *parkedSet) checkAt(s *Sweeper, at int64) {
	if at != 0 && l.looked != 0 {
		at = max(at, l.looked+int64(ParkedPeriod))
	}
	if at == l.next {
		return
	}
	if l.next = at; at == 0 {
		l.set.until(time.Time{})
		return
	}
	l.set.until(s.Time(at))
}

// leave takes c out of the parked set, to nowhere, and returns its owner. What was parked with it is awake. Its
// descriptor stays in the set: disarmed if it was reported, else an event may come that finds no connection, or another
// ticket.
//
// +checklocks:s.mu
func (s *Sweeper) leave(c *Conn) Resumer {
	owner := s.vacate(c)
	if p, paired := owner.(*pair); paired {
		other := p.besides(c)
		s.vacate(other)
		s.rouse(other)
		return p.Resumer
	}
	return owner
}

// vacate is leave for one connection alone.
//
// +checklocks:s.mu
func (s *Sweeper) vacate(c *Conn) Resumer {
	owner := c.owner
	s.parked.drop(c)
	s.parked.table[c.fd] = nil
	c.owner, c.place = nil, nowhere
	return owner
}

// recall moves c from the parked set back among those that are awake, and returns its owner.
//
// +checklocks:s.mu
func (s *Sweeper) recall(c *Conn) Resumer {
	owner := s.leave(c)
	s.rouse(c)
	return owner
}

// readable resumes the connection that was parked with the ticket on fd. An event that is older than the connection
// which has the descriptor now, or than its parking, carries another ticket.
func (s *Sweeper) readable(fd int, ticket uint32) {
	s.mu.Lock()
	var owner Resumer
	if c := s.parked.table[fd]; c != nil && c.ticket == ticket {
		owner = s.recall(c)
	}
	s.mu.Unlock()
	if owner != nil {
		go owner.Resume()
	}
}

// wakeParked resumes c if it is parked.
func (s *Sweeper) wakeParked(c *Conn) {
	s.mu.Lock()
	var owner Resumer
	if c.place == inParked {
		owner = s.recall(c)
	}
	s.mu.Unlock()
	if owner != nil {
		go owner.Resume()
	}
}

// keep looks after the parked connections until ctx ends; those that are left then go on in goroutines. It holds no
// thread while it waits, and takes no descriptor before the first connection is parked.
func (s *Sweeper) keep(ctx context.Context) {
	s.mu.Lock()
	s.parked.open = true
	s.mu.Unlock()
	defer s.clear()
	select {
	case <-ctx.Done():
		return
	case <-s.wakeKeep:
	}
	s.mu.Lock()
	set := s.parked.set
	s.mu.Unlock()
	defer context.AfterFunc(ctx, set.close)()
	for {
		err := set.wait(s.readable)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return // closed
		}
		s.expire()
	}
}

// expire takes the parked connections whose moment has passed out and tells their owners.
func (s *Sweeper) expire() {
	var overdue []*Conn
	var late []Resumer
	s.mu.Lock()
	now, next := s.Now(), int64(0)
	for c := s.parked.head; c != nil; c = c.next {
		switch at := c.readAt.Load(); {
		case at == 0:
		case at <= now:
			overdue = append(overdue, c)
		case next == 0 || at < next:
			next = at
		}
	}
	for _, c := range overdue {
		if c.place == inParked { // else it has gone with another one
			late = append(late, s.recall(c))
		}
	}
	s.parked.looked, s.parked.next = now, 0
	s.parked.set.until(time.Time{})
	s.parked.checkAt(s, next)
	s.mu.Unlock()
	for _, r := range late {
		r.Expire()
	}
}

// clear ends the parked set: nothing can be parked any more, and what is wakes up.
func (s *Sweeper) clear() {
	var left []Resumer
	s.mu.Lock()
	l := &s.parked
	if l.set != nil {
		l.set.close()
	}
	l.set, l.open, l.next = nil, false, 0
	select {
	case <-s.wakeKeep:
	default:
	}
	for l.head != nil {
		left = append(left, s.recall(l.head))
	}
	s.mu.Unlock()
	for _, r := range left {
		go r.Resume()
	}
}
