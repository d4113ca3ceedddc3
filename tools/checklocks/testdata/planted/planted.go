// Package planted breaks the lock rules on purpose. tools/locks runs the analyzer
// on it first: each line marked "want" must be reported, and no other line.
package planted

import "sync"

type counter struct {
	mu sync.Mutex
	// +checklocks:mu
	n int

	state sync.RWMutex
	// +checklocks:state
	name string
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked()
}

// +checklocks:c.mu
func (c *counter) addLocked() { c.n++ }

func (c *counter) read() string {
	c.state.RLock()
	defer c.state.RUnlock()
	return c.name
}

func (c *counter) fieldWithoutLock() int {
	return c.n // want
}

func (c *counter) fieldAfterUnlock() {
	c.mu.Lock()
	c.mu.Unlock()
	c.n = 0 // want
}

func (c *counter) callWithoutLock() {
	c.addLocked() // want
}

func (c *counter) otherLock() {
	c.state.Lock()
	defer c.state.Unlock()
	c.n++ // want
}

func (c *counter) writeUnderReadLock() {
	c.state.RLock()
	defer c.state.RUnlock()
	c.name = "" // want
}

func (c *counter) lockedInOneBranch(also bool) {
	if also {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	c.n++ // want
}

func (c *counter) goroutine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	go func() {
		c.n++ // want
	}()
}
