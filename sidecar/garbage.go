package sidecar

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// A garbageReason is for what more garbage than usual may lie around.
type garbageReason uint8

const (
	garbageOfAStart   garbageReason = iota // from the reading of the state directory until its document serves
	garbageOfARestore                      // while a kept document is prepared later on
	garbageOfLoad                          // while collections would follow each other closely
	garbageReasons
)

// What the collector's target (GOGC) is for a reason.
const (
	// startGC has no collection before the heap has 100 MB. A text of 10,000 routes makes some 70 MB on its way, and
	// nearly all of that is alive to the end. A collection there takes a tenth of the processor's time.
	startGC   = 2500
	startMost = 2 << 20
	// restoreGC is that for a larger text: the heap's peak is 5 % higher than with the usual one.
	restoreGC = 400
)

// garbage is the collector's target of this process. Safe from any goroutine.
var garbage garbageTarget

// garbageTarget is the largest target of what was set before the start (GOGC) and what is wanted for now.
type garbageTarget struct {
	mu sync.Mutex
	// +checklocks:mu
	usual int // 0: not read yet
	// +checklocks:mu
	wanted [garbageReasons]int
}

// want has the collector wait for more garbage, until it is called with 0.
func (t *garbageTarget) want(why garbageReason, percent int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.usual == 0 {
		t.usual = debug.SetGCPercent(100)
	}
	t.wanted[why] = percent
	most := t.usual
	for _, p := range t.wanted {
		if most >= 0 { // a negative one is none at all
			most = max(most, p)
		}
	}
	debug.SetGCPercent(most)
}

// until wants it for as long as end was not called.
func (t *garbageTarget) until(why garbageReason, percent int) (end func()) {
	t.want(why, percent)
	return func() { t.want(why, 0) }
}

const (
	// loadGarbage is how many bytes of garbage more may lie around under load.
	loadGarbage = 12 << 20
	// loadOften is how many collections a second are worth that, loadRarely how long without one they are not.
	loadOften  = 2
	loadRarely = 5 * time.Second
	// leastHeap is what the runtime lets the heap grow to at a target of 100, however little of it is alive.
	leastHeap = 4 << 20
)

// loadPace decides how much garbage may lie around under load. A gateway with few routes has a heap of 2 MB. With the
// usual target it would collect at each further 2 MB, which is twenty times a second with 50,000 gRPC calls.
type loadPace struct {
	seen   uint64 // collections so far
	within time.Duration
	last   time.Duration // since the last collection
	recent uint64        // collections within the second that runs
	target int           // 0: the usual one
}

// next is the target behind a step of time. collections is how many there were so far, alive how many bytes of the heap
// were alive at the last one.
func (p *loadPace) next(step time.Duration, collections, alive uint64) int {
	n := collections - p.seen
	p.seen = collections
	p.within, p.recent, p.last = p.within+step, p.recent+n, p.last+step
	if n > 0 {
		p.last = 0
	}
	switch {
	case p.target > 0 && p.last >= loadRarely:
		p.target = 0
	case p.within >= time.Second:
		if p.target > 0 || p.recent >= loadOften {
			p.target = 100 + int(100*loadGarbage/max(alive, leastHeap))
		}
		p.within, p.recent = 0, 0
	}
	return p.target
}

// quiet is the target where nothing is going on.
func (p *loadPace) quiet() int {
	*p = loadPace{seen: p.seen}
	return p.target
}

// loadWatch sets the target by the load. Nil: GOGC is the operator's own.
type loadWatch struct {
	pace loadPace
	set  int
}

func newLoadWatch() *loadWatch {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	w := &loadWatch{}
	w.pace.seen, _ = collections()
	return w
}

// busy is called behind a step of time with load.
func (w *loadWatch) busy(step time.Duration) {
	if w != nil {
		n, alive := collections()
		w.apply(w.pace.next(step, n, alive))
	}
}

// quiet is called where there is none.
func (w *loadWatch) quiet() {
	if w != nil {
		w.apply(w.pace.quiet())
	}
}

// apply sets the target where it has changed by more than a fifth: that stops all goroutines for a moment.
func (w *loadWatch) apply(target int) {
	if target > 0 && w.set > 0 && max(target, w.set)*5 <= min(target, w.set)*6 || target == w.set {
		return
	}
	w.set = target
	garbage.want(garbageOfLoad, target)
}

// collections is how many there were so far, and how many bytes of the heap were alive at the last one.
func collections() (n, alive uint64) {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
