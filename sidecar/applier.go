package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// firstAnswer is how long a revision waits for endpoints of the services that it names. The old one serves meanwhile.
const firstAnswer = 2 * time.Second

// applier is the applying goroutine with what it alone writes: tables, clusters, endpoints, and what serves.
type applier struct {
	*Sidecar
	active  *revision        // nil while nothing serves
	pending *pendingDocument // the newest document while it is not in service; nil = none
	turn    turn             // of the newest document
	told    bool             // the log has that the document before the newest one is held
	kept    keptTries        // of the last good document
	locator *locator

	probation *probation // of what serves; nil = it is over, or there is none
	goingBack bool       // the former revision is being put back
	blamed    trials     // without a state directory

	trialEnds time.Time    // end of the trial of what serves; zero = it is over
	savedAt   time.Time    // when the state was last given to be written
	savedHere keptLocation // that was in it
	unsaved   bool         // something has changed since
}

// run applies revisions until reading ends, then endpoints alone until life ends: what was applied still drains. When
// reading has ended, or not even the bootstrap can serve, it sends the reason to frozen, nil for none.
func (a *applier) run(reading, life context.Context, documents <-chan discovery.Document, frozen chan<- error) {
	frozen <- a.revisions(reading, documents)
	defer a.keepLast()
	for {
		select {
		case <-life.Done():
			if a.active != nil {
				a.active.certs.Close()
			}
			return
		case <-a.catalog.Changed():
			a.endpoints()
		}
	}
}

// revisions applies documents and endpoints until ctx ends. The error is that not even the bootstrap can serve; it
// comes only before anything does.
func (a *applier) revisions(ctx context.Context, documents <-chan discovery.Document) error {
	boot := time.NewTimer(time.Until(a.started.Add(bootstrapAfter)))
	defer boot.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	a.catalog.Watch(a.boot.catalogQueries()) // what it names will be known when it is needed
	if a.boot.Source == SourceConsul {       // the others need not be waited for
		a.restore(ctx)
	}
	a.state.begun()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case d := <-documents:
			err = a.take(ctx, d)
			if a.boot.Benchmark && a.active != nil {
				documents = nil // no hot reload
			}
		case <-boot.C:
			err = a.orFallBack(ctx, a.silence())
		case <-a.catalog.Changed():
			a.endpoints()
			if a.pending != nil && a.pending.status.State != discovery.RevisionRejected {
				err = a.tryPending(ctx)
			}
		case now := <-again.C:
			if a.active != nil && len(a.active.missing) > 0 {
				a.noteMissing() // why may be another reason by now
			}
			a.keep(now)
			err = a.tryAgain(ctx, now)
		case <-a.turnComes():
			err = a.tryPending(ctx)
		case now := <-a.probationTicks():
			a.checkProbation(ctx, now)
		}
		if err != nil {
			return err
		}
		a.acknowledge()
	}
}

// endpoints hands on what the catalog has learned.
func (a *applier) endpoints() {
	for _, e := range a.catalog.Take() {
		a.active.deliver(e)
		a.former().deliver(e)
		a.unsaved = true
	}
	if a.active != nil && len(a.active.missing) > 0 {
		a.noteMissing()
	}
}

// noteMissing tells the admin port for which services of the active revision the catalog has said nothing yet.
func (a *applier) noteMissing() {
	a.active.missing = slices.DeleteFunc(a.active.missing, func(q consul.Query) bool {
		_, known := a.catalog.Endpoints(q)
		return known
	})
	names := a.missingText(a.active.missing)
	var waitsFor []string
	if len(names) > 0 {
		waitsFor, _ = a.unknownServices(a.active.doc)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.unanswered, a.now.waitsFor = names, waitsFor
}

// missingText is what the admin port says of queries without a response, with the error that keeps it.
func (a *applier) missingText(all []consul.Query) (texts []string) {
	for _, q := range all {
		text := q.String()
		if _, err := a.catalog.Failure(q); err != "" {
			text += " (" + err + ")"
		}
		texts = append(texts, text)
	}
	return texts
}

// take makes the document of the source the active revision, if it is one. The error is that nothing can serve.
func (a *applier) take(ctx context.Context, d discovery.Document) error {
	a.told = a.pending != nil && a.pending.logged != nil
	a.release()
	insists := a.again.Swap(false)
	if insists {
		a.trials().lift()
	}
	a.takeTurn(&d, insists)
	switch {
	case d.Negative:
		return a.missing(ctx, d)
	case d.Refused != nil:
		a.reject(d, classSource, []string{d.Refused.Error()})
		return a.orFallBack(ctx, d.Refused.Error())
	case len(d.Parts) == 0: // the environment: the bootstrap is all there is
		if a.active != nil {
			a.confirm(d)
			return nil
		}
		return a.bootstrap(ctx, nil)
	}
	if a.trials().forced(d.Forced) {
		a.trials().lift()
	}
	if why := a.trials().quarantined(d.Hash); why != "" {
		a.reject(d, classQuarantined, []string{why})
		return a.orFallBack(ctx, "its document is quarantined")
	}
	a.trials().lift() // the content is another one
	a.trials().begin(d.Hash, d.Forced)
	err := a.read(ctx, d)
	a.endTrial(d.Hash) // not deferred: a panic leaves the note of the trial
	return err
}

// read takes what a document of the source says. The error is that nothing can serve.
func (a *applier) read(ctx context.Context, d discovery.Document) error {
	if a.active != nil && a.active.from.Hash == d.Hash {
		d.Name = cmp.Or(d.Name, a.active.doc.Revision)
		a.confirm(d)
		return nil
	}
	doc, err := config.DecodeParts(d.Parts, a.boot.Base())
	if err != nil {
		a.reject(d, classInvalid, reasons(err))
		return a.orFallBack(ctx, "its document is invalid")
	}
	d.Name = cmp.Or(d.Name, doc.Revision)
	if a.active != nil && a.active.doc.Revision == doc.Revision {
		a.confirm(d)
		return nil
	}
	return a.offer(ctx, doc, d)
}

// missing is that there is no document, which was confirmed: what is active stays.
func (a *applier) missing(ctx context.Context, d discovery.Document) error {
	st := a.source.Status()
	why := fmt.Sprintf("%s has no document (%s)", d.Source, st.Name)
	if st.Error != "" {
		why = cannotRead(st)
	}
	if a.active == nil {
		return a.orFallBack(ctx, why)
	}
	a.mu.Lock()
	orphaned := a.now.missing(why)
	if orphaned {
		a.now.history.explain("its document is gone: " + why)
	}
	a.mu.Unlock()
	if orphaned {
		a.logger.Warn("document is gone, the last revision goes on serving", "source", d.Source, "revision",
			a.active.doc.Revision)
	}
	return nil
}

// confirm notes that the source still, or again, has the document that serves.
func (a *applier) confirm(d discovery.Document) {
	if a.active.from = d; !a.state.enabled() {
		a.active.from.Parts = nil
	}
	a.unsaved = true
	if a.probation != nil && !d.Forced.IsZero() { // a person insists on it
		a.pass()
	}
	a.mu.Lock()
	again, was := a.told || a.now.status.LastRejected != nil, a.now.phase
	a.now.confirmed(d.Source)
	if !d.Forced.IsZero() {
		a.now.judgedUntil = time.Time{}
	}
	a.now.name = d.Name
	a.now.history.explain()
	a.mu.Unlock()
	a.told = false
	about := []any{"source", d.Source, "revision", a.active.doc.Revision}
	switch {
	case again || was == phaseOrphaned:
		a.logger.Info("document is good again: it is the revision that serves", about...)
	case was == phaseRestored:
		a.logger.Info("the source has delivered the revision that serves", about...)
	}
}

// reject notes a document that does not come into service; what is active goes on.
func (a *applier) reject(d discovery.Document, class string, why []string) {
	a.registry.RevisionRejected(class).Inc()
	a.mu.Lock()
	r := newRejection(d, class, time.Now(), why)
	a.now.rejected(r)
	a.now.history.note(RevisionRecord{
		Revision: r.ID, hash: d.Hash, State: refusal(class), Since: r.At, Reasons: why,
	})
	a.mu.Unlock()
	a.logRejected(d, class, why)
}

// refusal is the state of a document that was rejected.
func refusal(class string) discovery.RevisionState {
	if class == classQuarantined {
		return discovery.RevisionQuarantined
	}
	return discovery.RevisionRejected
}

func (a *applier) logRejected(d discovery.Document, class string, why []string) {
	about := []any{"hash", d.Hash, "class", class, "problems", len(why), "reasons", why}
	if d.Name != "" { // else it was never read
		about = append([]any{"revision", d.Name}, about...)
	}
	a.logger.Warn("revision rejected, what served goes on serving", about...)
}

// reasons are the single problems of err.
func reasons(err error) []string {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		all := make([]string, len(problems))
		for i, p := range problems {
			all[i] = p.String()
		}
		return all
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, e.Error())
		}
		return all
	}
	return []string{err.Error()}
}
