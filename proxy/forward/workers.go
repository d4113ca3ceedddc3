package forward

import (
	"context"
	"sync"
	"time"
)

// workers are goroutines that carry the exchanges of HTTP/2 streams one after the other. A fresh goroutine for each
// would grow its stack anew each time. That costs as much as all of the proxy's own work (15 % of a small request, by
// profile).
type workers struct {
	mu    sync.Mutex // guards what follows
	idle  []*worker  // the last one is the warmest
	ended bool       // nobody rests any more
	epoch uint64     // counts the looks of reap: a clock that costs nothing
}

type worker struct {
	next  chan *requestH2 // holds one
	since uint64          // the epoch since when it is idle; guarded by workers.mu
}

const (
	// workersKept is how many idle workers stay for good measure, workerRest how long the others do.
	workersKept = 8
	workerRest  = 2 * time.Second
)

// serve has q carried by a goroutine.
func (w *workers) serve(q *requestH2) {
	w.mu.Lock()
	var k *worker
	if n := len(w.idle); n > 0 {
		k, w.idle[n-1] = w.idle[n-1], nil
		w.idle = w.idle[:n-1]
	}
	w.mu.Unlock()
	if k == nil {
		k = &worker{next: make(chan *requestH2, 1)}
		go k.run(w) // ends when it is not needed any more: reap closes its channel
	}
	k.next <- q
}

func (k *worker) run(w *workers) {
	for q := range k.next {
		q.serve()
		w.mu.Lock()
		if w.ended {
			w.mu.Unlock()
			return
		}
		k.since = w.epoch
		w.idle = append(w.idle, k)
		w.mu.Unlock()
	}
}

// reap ends workers that have been idle for a while, until ctx ends; then all of them, those at work when they are
// done.
func (w *workers) reap(ctx context.Context) {
	t := time.NewTicker(workerRest)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			w.shed(true)
			return
		case <-t.C:
			w.shed(false)
		}
	}
}

// shed ends the idle workers that nobody has needed since the look before the last one, but for a few. With all it ends
// every one.
func (w *workers) shed(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.ended = all
	n := 0
	for n < len(w.idle) && (all || len(w.idle)-n > workersKept && w.epoch-w.idle[n].since > 1) {
		close(w.idle[n].next)
		n++
	}
	w.idle = append(w.idle[:0], w.idle[n:]...)
}
