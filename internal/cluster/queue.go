package proxy

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Queue says how many requests may be in a cluster at a time. It protects an app that can do only so much at once: the others wait in front of
// it, first come first served, instead of inside. The zero value holds nothing back.
type Queue struct {
	Cluster     string
	Concurrency int           // 0 = no limit
	Timeout     time.Duration // the longest wait; 0 = none waits
}

// mostWaiting is how many requests wait at a time: ten rounds of what is let in, and at least as many as make no difference to our memory.
func (q Queue) mostWaiting() int {
	if q.Timeout <= 0 {
		return 0
	}
	return max(1024, 10*q.Concurrency)
}

// queue is the state of a Queue. It belongs to the server, so it survives revisions.
type queue struct {
	most    int // that wait
	timeout time.Duration

	mu      sync.Mutex // guards what follows
	free    int        // places; none while somebody waits
	waiting list.List  // of chan struct{}, each with room for the one token that is its place
}

// newQueue returns nil for a Queue that holds nothing back.
func newQueue(o Queue) *queue {
	if o.Concurrency <= 0 {
		return nil
	}
	return &queue{most: o.mostWaiting(), timeout: o.Timeout, free: o.Concurrency}
}

// tryEnter takes a place if one is free.
func (q *queue) tryEnter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == 0 {
		return false
	}
	q.free--
	return true
}

// leave gives a place to who has waited for longest.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if first := q.waiting.Front(); first != nil {
		q.waiting.Remove(first).(chan struct{}) <- struct{}{}
		return
	}
	q.free++
}

// enter takes a place, if need be after a wait. Now and then while it waits it asks look, whose fault ends the wait.
func (q *queue) enter(ctx context.Context, look func() *fault) *fault {
	granted, at := q.join()
	if granted == nil {
		return faultQueue
	}
	end, nudge := time.NewTimer(q.timeout), time.NewTimer(firstNudge)
	defer end.Stop()
	defer nudge.Stop()
	for next := 2 * firstNudge; ; next *= 2 {
		var f *fault
		select {
		case <-granted:
			return nil
		case <-end.C:
			f = faultQueue
		case <-ctx.Done():
			f = faultGone
		case <-nudge.C:
			if f = look(); f == nil {
				nudge.Reset(min(next, lastNudge))
				continue
			}
		}
		if q.quit(at) {
			return f
		}
		if f == faultQueue {
			return nil // the place came in the same moment
		}
		q.leave()
		return f
	}
}

// join stands in line, unless that is too long already. It is granted at once where a place is free.
func (q *queue) join() (granted chan struct{}, at *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	granted = make(chan struct{}, 1)
	switch {
	case q.free > 0:
		q.free--
		granted <- struct{}{}
		return granted, nil
	case q.waiting.Len() >= q.most:
		return nil, nil
	}
	return granted, q.waiting.PushBack(granted)
}

// quit leaves the line. It reports whether the place had not been granted yet.
func (q *queue) quit(at *list.Element) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.waiting.Len()
	if at != nil {
		q.waiting.Remove(at) // which is nothing once leave has done it
	}
	return q.waiting.Len() < n
}

// faultQueue is that the queue is full, or that the wait in it took too long.
var faultQueue = noEndpoint(cluster.ErrOverflow)

// enter takes the request's place in front of its cluster. It is kept over all tries, until leave.
func (ex *exchange) enter() *fault {
	q := ex.up.queue
	if ex.tryEnter() {
		return nil
	}
	halfClosed := int64(0) // since when
	f := q.enter(ex.s.ctx, func() *fault {
		now := ex.now()
		if ex.deadline > 0 && now >= ex.deadline {
			return faultTimeout
		}
		switch ex.d.Hangup() {
		case netio.Reset:
			return faultGone
		case netio.HalfClosed: // it may still read an answer that comes soon
			if halfClosed == 0 {
				halfClosed = now
			}
			if now >= halfClosed+int64(halfClosedGrace) {
				return faultGone
			}
		}
		return nil
	})
	if f == faultQueue {
		ex.up.cluster.Telemetry().Overflow.Inc()
	}
	ex.inside = f == nil
	return f
}

// tryEnter is enter for those who cannot wait.
func (ex *exchange) tryEnter() bool {
	if ex.up.queue == nil || ex.inside {
		return true
	}
	ex.inside = ex.up.queue.tryEnter()
	return ex.inside
}
