package consul

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// What a watch makes of one result.

// doubtful reports whether a result may be an artefact. An agent may have no view yet (index 1). The store may have
// been restored (an index lower than before, or other content at the same index). A server may have lost sight of the
// others, or rights may have been lost (something seems to be gone). Or the view may be older than what the leader
// said (other content at once).
func (w *watch[T]) doubtful(o fetchOptions, r result[T], took time.Duration) bool {
	known, last := w.delivered()
	unproven := w.unproven
	if o.index > 0 {
		w.unproven = false
	}
	switch {
	case r.index <= 1 || r.index < o.index:
		return true
	case r.absent:
		return known != absent
	case o.leader() || known != present || w.same(last.value, r.value):
		return false
	case o.index > 0 && r.index == o.index:
		return true
	case w.loses != nil && w.loses(last.value, r.value):
		if now := time.Now(); w.streamed && now.Sub(w.lostAt) < plainFor {
			w.plainUntil = now.Add(plainFor)
		}
		w.lostAt = time.Now()
		return true
	}
	return w.streamed && unproven && took < prompt
}

// confirm has the leader's word in place of a doubtful result.
func (w *watch[T]) confirm(ctx context.Context, doubtful result[T]) (result[T], error) {
	w.tracker.Confirming()
	r, err := w.query(ctx, fetchOptions{})
	if err != nil {
		return r, err
	}
	if w.streamed && (doubtful.absent != r.absent || !r.absent && !w.same(doubtful.value, r.value)) {
		w.plainUntil = time.Now().Add(plainFor)
	}
	return r, err
}

// unchanged is the end of a request that returned what is known, with the index that it was to
// pass. If that was early, the store was replaced under it. It may then not hear what is written from now on, and
// neither may those of the other watches.
func (w *watch[T]) unchanged(took time.Duration) {
	w.fails = 0
	if took < w.wait*9/10 {
		w.index = 0
		w.peers.restartOthers(w)
	}
	w.tracker.OK(w.index)
}

// accept takes a result for true. ctx is that of the whole watch: what restart cancels is delivered
// all the same, since it will not be delivered again.
func (w *watch[T]) accept(ctx context.Context, o fetchOptions, r result[T]) {
	recovered := w.fails > 0
	if recovered && w.streamed {
		w.plainUntil = time.Now().Add(plainAfter)
	}
	w.fails = 0
	w.index = max(r.index, 1)
	if known, last := w.delivered(); known != unknown && o.leader() && r.index < last.index {
		w.peers.restartOthers(w) // it is another store, for them too
	}
	if !o.stale {
		w.leaderAt, w.unproven = time.Now(), true
	}
	w.tracker.OK(w.index)
	if w.paced > 0 {
		w.limiter.SetLimit(rate.Every(pause(w.paced, r.bytes)))
	}
	if w.note(r) {
		w.deliver(ctx, r)
	}
	if recovered {
		w.peers.wakeFailing()
	}
}

// note keeps a result, and tells whether it is news.
func (w *watch[T]) note(r result[T]) (news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := present
	if r.absent {
		known = absent
	}
	news = w.seen.known != known || known == present && !w.same(w.seen.last.value, r.value)
	w.seen.known, w.seen.last = known, r
	w.seen.version++
	return news
}

// delivered is what the watch has delivered last.
func (w *watch[T]) delivered() (knowledge, result[T]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.known, w.seen.last
}
