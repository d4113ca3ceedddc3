package cluster

import "time"

// An endpoint with more transitions in the catalog than flapLimit in a flapWindow
// returns with a slow start.
const (
	flapWindow = 60 * time.Second
	flapLimit  = 3
)

// noteFlips records the catalog's transitions; one that flaps returns slowly.
func (f *feed) noteFlips(now time.Duration) {
	seen := map[*health]bool{}
	for address, e := range f.entries {
		if h := f.group.healths[address]; h != nil {
			seen[h] = true
			f.noteFlip(h, f.up(e), now)
		}
	}
	for _, h := range f.group.healths {
		if h.told && !seen[h] {
			f.noteFlip(h, false, now)
		}
	}
}

func (f *feed) noteFlip(h *health, up bool, now time.Duration) {
	if !h.told {
		h.told, h.up = true, up
		return
	}
	if h.up == up {
		return
	}
	h.up = up
	if h.flip(now) && up {
		f.group.mu.Lock()
		if h.gate.Load() == gateOpen {
			f.group.startSlowly(h, now)
		}
		f.group.mu.Unlock()
		f.group.log.Info("endpoint flaps, it returns slowly", "cluster", f.group.name, "endpoint", h.address)
	}
}

// flip records a transition in the catalog and tells whether it flaps.
func (h *health) flip(now time.Duration) bool {
	copy(h.flips[:], h.flips[1:])
	h.flips[len(h.flips)-1] = max(now, 1)
	oldest := h.flips[len(h.flips)-1-flapLimit]
	return oldest > 0 && now-oldest < flapWindow
}
