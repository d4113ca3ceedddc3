package http2

// places is what a client knows of the streams that it may still open. Guarded by the connection's lock.
type places struct {
	reserved int  // places of the peer's limit that are kept
	starved  bool // Open or Reserve found none
	notify   bool // Options.Room, at the next leave
}

// placeFree tells who found no place, once there is one. In front of leave.
//
// +checklocks:c.mu
func (c *Conn) placeFree() {
	if c.places.starved && len(c.streams.open)+c.places.reserved < c.peer.streams {
		c.places.notifyStarved()
	}
}

// notifyStarved tells who found no place to look for one elsewhere, or here. In front of leave.
func (p *places) notifyStarved() {
	p.notify = p.notify || p.starved
	p.starved = false
}
