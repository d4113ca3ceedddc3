package proxy

import (
	"context"
	"sync"
	"time"
)

// workers are goroutines that carry the exchanges of HTTP/2 streams one after the other. A fresh goroutine for each would grow its stack
// anew each time, which costs as much as all of the proxy's own work (15 % of a small request, by profile).
type workers struct {
	mu    sync.Mutex // guards idle, ended
	idle  []*worker  // the last one is the warmest
	ended bool       // nobody rests any more
}

type worker struct {
	next  chan *request2 // holds one
	since uint64         // the epoch since when it is idle; guarded by workers.mu
}

const (
	// workersKept is how many idle workers stay for good measure, workerRest how long the others do.
	workersKept = 8
	workerRest  = 2 * time.Second
)

// serve has q carried by a goroutine.
func (w *workers) serve(q *request2) {
	w.mu.Lock()
	var k *worker
	if n := len(w.idle); n > 0 {
		k, w.idle[n-1] = w.idle[n-1], nil
		w.idle = w.idle[:n-1]
	}
	w.mu.Unlock()
	if k == nil {
		k = &worker{next: make(chan *request2, 1)}
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

// reap ends workers that have been idle for a while, until ctx ends; then it ends those that are idle.
func (w *workers) reap(ctx context.Context) {
	t := time.NewTicker(workerRest)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			w.shed(0, 0)
			return
		case <-t.C:
			w.shed(workersKept, 1)
		}
	}
}

// shed ends the idle workers over keep that have been idle for more than that many epochs.
func (w *workers) shed(keep int, epochs uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	n := 0
	for len(w.idle)-n > keep && w.epoch-w.idle[n].since > epochs {
		close(w.idle[n].next)
		n++
	}
	w.idle = append(w.idle[:0], w.idle[n:]...)
}
