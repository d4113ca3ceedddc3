package sidecar

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

// keptTries is how often, and why, the last good document could not be put into service.
type keptTries struct {
	retry  backoff
	logged []string // the reasons that the log has
}

// restore puts the document of the state directory into service, with the endpoints that are kept there. It reports
// whether it serves. It waits for nobody. One that cannot be prepared is tried again while the bootstrap serves alone.
func (a *applier) restore(ctx context.Context) bool {
	if !a.state.enabled() || a.state.documentHash() == "" {
		return false
	}
	l := a.state.found
	if why := a.state.trials.quarantined(l.Document.Hash); why != "" {
		a.logger.Warn("kept revision is not used", "reason", why)
		return false
	}
	from := l.Document.document()
	if a.state.usually == nil { // the start is over, or the text is large
		defer garbage.until(garbageOfARestore, restoreGC)()
	}
	a.state.trials.begin(from.Hash, from.Forced)
	err := a.applyKept(ctx, l, from)
	a.endKeptTrial(l.Document) // not deferred: a panic leaves the note of the trial
	if err != nil {
		if why := reasons(err); !slices.Equal(a.kept.logged, why) {
			a.kept.logged = why
			a.logger.Warn("kept revision is not used", "revision", l.Document.Revision, "reasons", why)
		}
		return false
	}
	a.logger.Info("serves from the state directory until the source delivers",
		"revision", a.active.doc.Revision, "age", time.Since(l.AsOf).Round(time.Second).String(), "as_of", l.AsOf)
	return true
}

// applyKept reads and applies the last good document. If it could not be applied, it is tried again.
func (a *applier) applyKept(ctx context.Context, l *lastGood, from discovery.Document) error {
	a.mu.Lock()
	rejected := a.now.status.LastRejected
	a.mu.Unlock()
	a.kept.retry.at = time.Time{}
	doc, err := l.Document.decode(from.Parts, a.boot.Base(), a.state.readTrees())
	if err != nil {
		return err
	}
	err = a.apply(ctx, doc, from, func(n *serving) { n.restored(l.AsOf, rejected) })
	if err != nil && !a.boot.Benchmark {
		a.kept.retry.failed(time.Now())
	}
	return err
}

// endKeptTrial ends the trial of the last good document, unless it serves and was kept before its trial was over. Then
// that goes on: what ends the process at each start must not do so for ever.
func (a *applier) endKeptTrial(k *keptDocument) {
	if k.OnTrial && a.active != nil && a.active.from.Source == sourceState {
		a.trialEnds = time.Now().Add(a.trialTime())
		return
	}
	a.state.trials.end()
}

// recall gives the kept endpoints to the clusters of a revision for whose query the catalog has none, or no response.
func (a *applier) recall(r *revision, q consul.Query) {
	kept, ok := a.state.recalled(q)
	if !ok {
		return
	}
	held := time.Duration(0)
	if !kept.HeldUntil.IsZero() {
		held = max(time.Until(kept.HeldUntil), 1)
	}
	for _, c := range r.queries[q] {
		c.RestoreEndpoints(kept.instances(), held)
	}
}

// recalled is what the state directory has for a query.
func (s *state) recalled(q consul.Query) (kept keptEndpoints, ok bool) {
	if !s.enabled() || s.found == nil {
		return kept, false
	}
	kept, ok = s.known[q]
	return kept, ok
}

// await gives the catalog a bounded time for what a revision wants to know of it, and names what is still unknown. What
// the state directory knows is not waited for.
func (a *applier) await(ctx context.Context, r *revision, from string) []consul.Query {
	if a.active == nil || from == sourceState {
		var unknown []consul.Query
		for q := range r.queries {
			if _, kept := a.state.recalled(q); !kept {
				unknown = append(unknown, q)
			}
		}
		if len(unknown) == 0 || from == sourceState {
			return unknown
		}
	}
	wait, cancel := context.WithDeadline(ctx, a.endpointsDeadline())
	defer cancel()
	return a.catalog.Wait(wait)
}

// trialTime is for how long after its swap a document is on trial.
func (a *applier) trialTime() time.Duration { return cmp.Or(a.boot.Probation, trialTime) }

// keep has written what is due: a revision whose trial is over, and once in a while the endpoints.
func (a *applier) keep(now time.Time) {
	if !a.state.enabled() || a.active == nil {
		return
	}
	a.unsaved = a.unsaved || a.location() != a.savedHere || a.state.failing()
	settled := !a.trialEnds.IsZero() && now.After(a.trialEnds) && a.probation == nil
	if settled {
		a.trialEnds = time.Time{}
		a.state.trials.end()
	}
	pause := endpointsEvery
	if serves := &a.active.from; len(serves.Parts) > 0 && serves.Hash != a.state.kept { // it was put back
		pause = a.documentsEvery()
	}
	if settled || a.trialEnds.IsZero() && a.unsaved && now.Sub(a.savedAt) >= pause {
		a.save(now)
	}
}

// documentsEvery is how often documents are written that did not serve for the whole of their trial. That is as often
// as if each of them came when the trial of the one before was over.
func (a *applier) documentsEvery() time.Duration { return min(a.trialTime(), endpointsEvery) }

// keepReplaced has written what next replaces before its trial was over, unless something speaks against it. Else
// nothing would be kept while documents come faster than their trials end. If next is the kept one, that stays.
func (a *applier) keepReplaced(was *predecessor, next *revision, now time.Time) {
	if was.revision == nil || a.trialEnds.IsZero() {
		return
	}
	was.hasty = now.Before(a.trialEnds)
	doubtful := a.probation != nil && a.probation.doubtful()
	if a.goingBack || doubtful || next.from.Hash == a.state.kept || now.Sub(a.savedAt) < a.documentsEvery() {
		return
	}
	a.write(was, now)
}

// keepLast is keep at the end of the process, which is no document's doing. Nothing is written after it.
func (a *applier) keepLast() {
	if !a.state.enabled() {
		return
	}
	defer close(a.state.writes)
	if a.active == nil {
		return
	}
	a.state.trials.end()
	a.save(time.Now())
}

// beginTrial begins the trial of the revision that was just put into service.
func (a *applier) beginTrial(now time.Time) {
	a.unsaved = true
	fromSource := a.active.from.Source == string(a.boot.Source) // and not the state, nor the bootstrap in its place
	if !a.state.enabled() || !fromSource || a.goingBack {
		return
	}
	a.trialEnds = now.Add(a.trialTime())
	if a.state.kept == "" {
		a.save(now) // better than nothing, should the process end now
	}
}

// save has written what serves, if it is the source's; while that is on probation, what served before.
func (a *applier) save(now time.Time) {
	if p := a.probation; p != nil {
		a.write(&p.former, now)
		return
	}
	a.mu.Lock()
	serves := predecessor{a.active, a.now.phase, a.now.status.Since}
	a.mu.Unlock()
	a.write(&serves, now)
}

// write has a revision written that serves, or has served, if it is the source's.
func (a *applier) write(r *predecessor, now time.Time) {
	if !r.phase.serves() {
		return
	}
	a.savedHere = a.location()
	l := &lastGood{Origin: a.state.origin, AsOf: now, Location: a.savedHere, Ejections: a.set.Ejections()}
	if age, ok := a.consul.Age(); ok && a.boot.Source == SourceConsul {
		l.AsOf = now.Add(-age)
	}
	if r.phase == phaseRestored {
		l.AsOf = a.state.found.AsOf
	}
	if l.Document = keepDocument(r.from, r.doc.Revision, r.since); l.Document != nil {
		l.Document.OnTrial = r.hasty || r.revision == a.active && now.Before(a.trialEnds)
	}
	known := map[consul.Query]keptEndpoints{}
	for q, clusters := range r.queries {
		e, ok := a.endpointsOf(q, now)
		if !ok {
			continue
		}
		e.HeldUntil = clusters[0].HeldUntil()
		known[q] = e
		l.Endpoints = append(l.Endpoints, e)
	}
	a.state.known, a.state.kept = known, ""
	if l.Document != nil {
		a.state.kept = l.Document.Hash
	}
	a.unsaved, a.savedAt = false, now
	a.state.save(l)
}

// location is what to keep of where the gateway runs.
func (a *applier) location() keptLocation { return keepLocation(a.set.Location(), a.boot.Zone) }

// endpointsOf is what to keep for a query: what the catalog has, or, where it has nothing, what it had.
func (a *applier) endpointsOf(q consul.Query, now time.Time) (keptEndpoints, bool) {
	if e, ok := a.catalog.Endpoints(q); ok && len(e.Instances) > 0 {
		age, _ := a.consul.Age()
		return keptEndpoints{Query: q, ConfirmedAt: now.Add(-age), Instances: keepInstances(e.Instances)}, true
	}
	e, ok := a.state.known[q]
	return e, ok
}
