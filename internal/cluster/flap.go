package cluster

import "time"

// An endpoint with more transitions in the catalog than flapLimit in a flapWindow
// returns with a slow start.
const (
	flapWindow = 60 * time.Second
	flapLimit  = 3
)

// noteFlips records the catalog's transitions; one that flaps returns slowly.
//
// +checklocks:f.group.set.mu
func (f *feed) noteFlips(now time.Duration) {
	seen := map[*health]bool{}
	for address, e := range f.entries {
		if h := f.group.healths[address]; h != nil {
			seen[h] = true
			h.noteFlip(f.up(e), now) // +checklocksignore: one set
		}
	}
	for _, h := range f.group.healths {
		if !seen[h] {
			h.noteGone(now) // +checklocksignore: one set
		}
	}
}

// noteGone records that the catalog does not name the endpoint any more.
//
// +checklocks:h.group.set.mu
func (h *health) noteGone(now time.Duration) {
	if h.told {
		h.noteFlip(false, now)
	}
}

// noteFlip records the state of one endpoint.
//
// +checklocks:h.group.set.mu
func (h *health) noteFlip(up bool, now time.Duration) {
	if !h.told {
		h.told, h.up = true, up
		return
	}
	if h.up == up {
		return
	}
	h.up = up
	if h.flip(now) && up {
		h.group.mu.Lock()
		if h.gate.Load() == gateOpen {
			h.startSlowly(now)
		}
		h.group.mu.Unlock()
		h.group.log.Info("endpoint flaps, it returns slowly", "cluster", h.group.name, "endpoint", h.address)
	}
}

// flip records a transition in the catalog and tells whether it flaps.
//
// +checklocks:h.group.set.mu
func (h *health) flip(now time.Duration) bool {
	copy(h.flips[:], h.flips[1:])
	h.flips[len(h.flips)-1] = max(now, 1)
	oldest := h.flips[len(h.flips)-1-flapLimit]
	return oldest > 0 && now-oldest < flapWindow
}
