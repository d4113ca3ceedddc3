package cluster

import (
	"math"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// defaultStreak is how many failures in a row take all its preference from an endpoint. It is for documents without
// passive health, which would say it.
const defaultStreak = 5

// outlier is when endpoints are ejected; a cluster without passive health has one
// that never does, so that no caller needs an if.
type outlier struct {
	streak  int // failures in a row; MaxInt = never
	base    time.Duration
	longest time.Duration
	percent int   // of the cluster's endpoints that may be out at a time
	others  bool  // other clusters stand in: the last endpoint may be out too
	step    int64 // of de-preference, for each failure
}

func newOutlier(p config.PassiveHealth, others bool) outlier {
	if p.ConsecutiveFailures <= 0 {
		return outlier{streak: math.MaxInt, step: full / defaultStreak}
	}
	return outlier{
		streak:  p.ConsecutiveFailures,
		base:    p.BaseEjection,
		longest: max(p.MaxEjection, p.BaseEjection),
		percent: p.MaxEjectedPercent,
		others:  others,
		step:    full / int64(p.ConsecutiveFailures),
	}
}

// duration of the nth ejection, n from 1.
func (o outlier) duration(n int) time.Duration {
	if o.base <= 0 || int64(n) > int64(o.longest/o.base) {
		return o.longest
	}
	return o.base * time.Duration(n)
}

// room is how many of n endpoints may be out at a time. The sole endpoint never
// is, unless other clusters stand in; of several always one may be, or a small share would mean none.
func (o outlier) room(n int) int {
	if n < 2 && !o.others || o.percent <= 0 {
		return 0
	}
	return max(1, n*o.percent/100)
}

// failed counts a failure against h. It loses preference. After too many in a row, or as the first thing after an
// ejection, it is ejected.
func (h *health) failed(o Outcome) (ejected bool) {
	g := h.group
	c := g.active.Load()
	now := g.clock.now()
	g.mu.Lock()
	h.unsettled.Store(true)
	h.proven = false
	h.fails++
	h.factor = max(0, h.factor-c.outlier.step)
	var old uint32
	if old = h.gate.Load(); old == gateProbing || old == gateOpen && h.fails >= c.outlier.streak {
		ejected = h.eject(c, o, now)
	}
	lasts, fails := h.until-now, h.fails
	g.mu.Unlock()
	if ejected {
		g.tele.Ejections.Inc()
		g.log.Info("endpoint ejected", "cluster", g.name, "endpoint", h.address,
			"old", gateName(old), "new", gateName(gateEjected), "reason", o.String(), "failures", fails, "for", lasts)
		g.noteChange()
	}
	return ejected
}

// eject shuts the gate if there is room for one more.
//
// +checklocks:h.group.mu
func (h *health) eject(c *Cluster, o Outcome, now time.Duration) bool {
	if !h.listed {
		return false
	}
	out := 0
	for _, t := range h.group.timed {
		if t != h && t.listed && t.gate.Load() != gateOpen { // +checklocksignore: one group
			out++
		}
	}
	if out >= c.outlier.room(len(c.view.Load().all)) {
		return false
	}
	if c.outlier.duration(h.ejections+1) > c.outlier.duration(h.ejections) || h.ejections == 0 {
		h.ejections++
	}
	h.cause, h.since = o, now
	h.until = now + c.outlier.duration(h.ejections)
	h.gate.Store(gateEjected)
	h.addTimed()
	return true
}

// succeeded hears of successes of an endpoint that is unsettled.
func (h *health) succeeded() {
	g := h.group
	now := g.clock.now()
	g.mu.Lock()
	h.fails, h.proven = 0, true
	old := h.gate.Load()
	// While all are out, any response is good news; otherwise the successes of an
	// ejected endpoint are of requests from before its ejection.
	returns := old == gateProbing
	if old == gateEjected && g.panicking.Load() {
		returns = true
		g.probeAll(now)
	}
	if returns {
		h.since = now
		h.gate.Store(gateOpen)
		h.startSlowly(now)
	}
	h.unsettled.Store(false)
	g.mu.Unlock()
	if returns {
		g.log.Info("endpoint returned", "cluster", g.name, "endpoint", h.address,
			"old", gateName(old), "new", gateName(gateOpen))
		g.noteChange()
	}
}

// probeAll ends all ejections at once. Whatever they had in common seems to be over, and the one that returns first
// shall not carry the load alone.
//
// +checklocks:g.mu
func (g *group) probeAll(now time.Duration) {
	for _, h := range g.timed {
		if h.gate.Load() == gateEjected {
			h.startProbing(now) // +checklocksignore: one group
		}
	}
}

// verdictWithin is how long the first probe keeps others away. What lives long may have no verdict until it ends (a
// tunnel in which nothing moves). A healthy endpoint would be out for hours with it. Each further one is given twice as
// long, so those that hang are a few, ten after an hour.
const verdictWithin = 5 * time.Second

// startProbing ends an ejection: the next request shows whether it was the last.
//
// +checklocks:h.group.mu
func (h *health) startProbing(now time.Duration) {
	h.since, h.fails, h.factor = now, 0, full
	h.pace.Store(slowest)
	h.probeWait = verdictWithin
	h.endProbe()
	h.unsettled.Store(true)
	h.gate.Store(gateProbing)
}

// startSlowly begins a slow start.
//
// +checklocks:h.group.mu
func (h *health) startSlowly(now time.Duration) {
	h.rampFrom, h.factor = now, full
	h.pace.Store(ramp(0, h.group.active.Load().cfg.SlowStart))
	h.addTimed()
}

// addTimed puts h among those that Tick looks after.
//
// +checklocks:h.group.mu
func (h *health) addTimed() {
	if !h.timed {
		h.timed = true
		h.group.timed = append(h.group.timed, h)
	}
}

// advance lets time do its work on the troubled: ejections end, slow starts go
// on, the length of ejections decays. It tells whether there were any.
func (g *group) advance(now time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.timed) == 0 {
		return false
	}
	o := g.active.Load().outlier
	kept := g.timed[:0]
	for _, h := range g.timed {
		if h.heal(o, now) { // +checklocksignore: one group
			kept = append(kept, h)
		}
	}
	clear(g.timed[len(kept):])
	g.timed = kept
	return true
}

// heal does what is due for h, and tells whether it stays timed.
//
// +checklocks:h.group.mu
func (h *health) heal(o outlier, now time.Duration) bool {
	h.timed = h.advance(o, now)
	return h.timed
}

// +checklocks:h.group.mu
func (h *health) advance(o outlier, now time.Duration) bool {
	switch h.gate.Load() {
	case gateEjected:
		if o.streak == math.MaxInt { // passive health was switched off
			h.since = now
			h.gate.Store(gateOpen)
			h.startSlowly(now)
		} else if now >= h.until {
			h.startProbing(now)
		}
		return true
	case gateProbing:
		began := h.probe.Load()
		if began > 0 && now-time.Duration(began) >= h.probeWait && h.probe.CompareAndSwap(began, 0) {
			h.probeWait *= 2
		}
		return true
	}
	h.pace.Store(ramp(now-h.rampFrom, h.group.active.Load().cfg.SlowStart))
	if h.ejections > 0 && h.proven && now-h.since >= o.base {
		h.ejections--
		h.since, h.proven = now, false
		h.unsettled.Store(true) // the next success counts
	}
	return h.ejections > 0 || h.pace.Load() < full
}

func gateName(gate uint32) string {
	switch gate {
	case gateEjected:
		return stateEjected
	case gateProbing:
		return "probing"
	default:
		return stateHealthy
	}
}
