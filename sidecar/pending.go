package sidecar

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// pendingDocument is the newest document of the source, which is right but not in service. It is held, or it was
// rejected for something outside of it, such as a port that another process has, which may be over later. What served
// before goes on serving. The applying goroutine's own.
type pendingDocument struct {
	doc    *config.Document
	from   discovery.Document
	status Held        // waiting or held, as the status has it, or rejected: it could not be prepared, is tried again
	logged []string    // the reasons that the log has, of this state
	turn   *time.Timer // nil: it does not wait for its turn

	// Of a rejected one.
	since time.Time
	retry backoff
}

// backoff is when something that failed is tried again. The zero value: it is not.
type backoff struct {
	pause time.Duration
	at    time.Time
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// failed takes the next moment: after a second first, after twice as long each time, up to 30 seconds.
func (b *backoff) failed(now time.Time) {
	b.pause = min(max(2*b.pause, firstRetry), lastRetry)
	b.at = now.Add(b.pause)
}

func (b *backoff) due(now time.Time) bool { return !b.at.IsZero() && !now.Before(b.at) }

// offer applies a document, or holds it where something serves that it would break. Nothing is held at the start.
func (a *applier) offer(ctx context.Context, doc *config.Document, from discovery.Document) error {
	p := &pendingDocument{doc: doc, from: from, status: Held{ID: doc.Revision, Since: time.Now(), name: from.Name}}
	if a.phase() != phaseStarting {
		a.pending = p
		return a.tryPending(ctx)
	}
	err := a.apply(ctx, doc, from, nil)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		a.reject(from, classPrepare, reasons(err))
	}
	if err := a.orFallBack(ctx, notApplied); err != nil || a.active == nil {
		return err
	}
	a.pending = p
	a.retryLater(reasons(err))
	return nil
}

// tryPending applies the pending document, if nothing speaks against it any more.
func (a *applier) tryPending(ctx context.Context) error {
	p := a.pending
	if a.active.doc.Revision == p.doc.Revision { // it was restored from the state directory meanwhile
		a.release()
		a.confirm(p.from)
		return nil
	}
	a.catalog.Watch(a.catalogQueries())
	if a.waitTurn(time.Now()) {
		return nil
	}
	if missing, refused := a.unknownServices(p.doc); len(missing) > 0 && a.mustWait(p.doc) {
		if len(refused) > 0 {
			a.hold(discovery.RevisionHeld, refused)
		} else {
			a.hold(discovery.RevisionWaiting, missing)
		}
		return nil
	}
	a.trials().begin(p.from.Hash, p.from.Forced)
	a.applyPending(ctx)
	a.endTrial(p.from.Hash) // not deferred: a panic leaves the note of the trial
	return nil
}

// applyPending applies the pending document, or notes why that is not possible.
func (a *applier) applyPending(ctx context.Context) {
	p := a.pending
	err := a.apply(ctx, p.doc, p.from, nil)
	if held, ok := errors.AsType[*heldError](err); ok {
		a.hold(discovery.RevisionHeld, held.reasons)
		return
	}
	if err == nil || ctx.Err() != nil {
		a.release()
		return
	}
	why := reasons(err)
	if _, ok := errors.AsType[*lostError](err); ok { // which another try would not mend
		a.release()
		a.reject(p.from, classReplay, why)
		return
	}
	switch {
	case p.status.State != discovery.RevisionRejected:
		a.reject(p.from, classPrepare, why)
		a.unhold()
	case !slices.Equal(p.logged, why):
		a.logRejected(p.from, classPrepare, why)
	}
	a.retryLater(why)
}

// retryLater has the pending document, which was rejected, tried again in a while.
func (a *applier) retryLater(why []string) {
	p := a.pending
	if p.status.State != discovery.RevisionRejected {
		p.status.State, p.since = discovery.RevisionRejected, time.Now()
	}
	p.logged = why
	if !a.boot.Benchmark { // where nothing is to happen by itself
		p.retry.failed(time.Now())
	}
	a.catalog.Watch(a.catalogQueries())
	a.mu.Lock()
	defer a.mu.Unlock()
	r := newRejection(p.from, classPrepare, p.since, why)
	r.RetryAt = p.retry.at
	a.now.pending(r)
	a.now.history.note(RevisionRecord{
		Revision: p.doc.Revision, hash: p.from.Hash, State: discovery.RevisionRejected, Since: p.since, Reasons: why,
	})
}

// tryAgain tries what is due: the document of the source, or the last good one.
func (a *applier) tryAgain(ctx context.Context, now time.Time) error {
	if p := a.pending; p != nil && (p.status.State == discovery.RevisionWaiting || p.retry.due(now)) {
		if err := a.tryPending(ctx); err != nil { // why it waits may be another reason by now
			return err
		}
	}
	if a.kept.retry.due(now) && a.phase() == phaseFallback {
		a.restore(ctx)
	}
	return nil
}

// release forgets the pending document: it was applied, or another one came.
func (a *applier) release() {
	if a.pending == nil {
		return
	}
	a.pending.endTurn()
	a.pending = nil
	a.catalog.Watch(a.catalogQueries())
	a.unhold()
}
