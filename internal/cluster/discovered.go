package cluster

import "fmt"

// State is an instance's health as the catalog has it.
type State uint8

// The states of the catalog.
const (
	Passing State = iota
	Warning
	Critical
	Maintenance // an operator's wish: no new picks, not even in panic
)

// String is the state as Consul writes it.
func (s State) String() string {
	switch s {
	case Passing:
		return "passing"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	case Maintenance:
		return "maintenance"
	default:
		return fmt.Sprintf("state %d", uint8(s))
	}
}

// Discovered is one instance in the catalog.
type Discovered struct {
	Address string // host:port
	Weight  int    // for its state; 0 = no traffic
	State   State
}

// SetEndpoints takes what Consul says now: the whole list, confirmed. It changes
// each live cluster of this name and question by one store. An address that is
// also static keeps its weight of the document. An empty list, and the sudden
// loss of many, are softened as doc.go tells.
func (c *Cluster) SetEndpoints(list []Discovered) {
	s := c.group.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.feed == nil {
		return
	}
	now := s.clock.now()
	if c.feed.deliver(list, now) {
		c.group.rebuild(c.feed)
	}
	c.feed.noteFlips(now)
}
