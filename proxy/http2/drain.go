package http2

import "time"

// draining is how a connection stops taking streams. Guarded by the connection's lock.
type draining struct {
	state    drainState
	last     uint32 // the last stream of our last GOAWAY
	peerGone bool   // the peer sent GOAWAY
}

// drainState is how far Shutdown has come.
type drainState uint8

const (
	notDraining drainState = iota
	drainFirst             // GOAWAY with the highest number was sent: what is on its way is still served
	drainLast              // the last stream is settled
)

// finishing tells whether the connection ends with its last stream.
func (d *draining) finishing() bool { return d.state == drainLast || d.peerGone }

// refused tells whether our last GOAWAY has told the client that a stream is not processed.
func (d *draining) refused(id uint32) bool { return d.state == drainLast && id > d.last }

// drainWait is the time between the first GOAWAY of Shutdown and the last, if the acknowledgement of the PING is not
// faster.
const drainWait = time.Second

// Shutdown lets the streams finish and opens no more. A server says so twice (RFC 9113 section 6.8): what a client sent
// before it heard the first GOAWAY is still served. The connection ends with the last stream. It does not wait.
func (c *Conn) Shutdown() {
	c.mu.Lock()
	if c.drain.state != notDraining || c.end.state != connOpen {
		c.mu.Unlock()
		return
	}
	if c.client {
		c.sendLastGoAway()
		c.places.notifyStarved()
		if len(c.streams.open) == 0 {
			c.nc.Interrupt()
		}
		c.leave(nil)
		return
	}
	c.drain.state = drainFirst
	c.appendControl(64)
	c.out.b = appendGoAway(c.out.b, maxStreamID, NoError, "")
	c.out.b = appendPing(c.out.b, false, pingDrain)
	c.timers.drainAt = c.nc.Now() + int64(drainWait)
	c.timers.wakeBy(c.timers.drainAt)
	c.leave(nil)
}

// sendLastGoAway sends the GOAWAY that names the last stream.
//
// +checklocks:c.mu
func (c *Conn) sendLastGoAway() {
	c.drain.state, c.timers.drainAt = drainLast, 0
	c.drain.last = c.streams.lastID
	if c.client {
		c.drain.last = 0 // the server opens none
	}
	c.appendControl(17)
	c.out.b = appendGoAway(c.out.b, c.drain.last, NoError, "")
}
