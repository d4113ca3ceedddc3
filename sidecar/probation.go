package sidecar

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/docdiff"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// probation is the time after a swap in which the former revision is put back if the new one does harm. Until then the
// former one's clusters get their endpoints. It is the applying goroutine's.
type probation struct {
	judge
	former predecessor // the last one that passed, or did not need to
	mark   *telemetry.Mark

	begun, until time.Time
	looks        *time.Ticker

	retry  backoff // of putting it back
	logged []string
}

// probationMore is for how long probation may last longer since something speaks against the revision.
const probationMore = harmTime + time.Second

// former is the revision that would be put back; nil = none would.
func (a *applier) former() *revision {
	if a.probation == nil {
		return nil
	}
	return a.probation.former.revision
}

// probationTicks tells when the revision on probation is to be looked at; nil = there is none.
func (a *applier) probationTicks() <-chan time.Time {
	if a.probation == nil {
		return nil
	}
	return a.probation.looks.C
}

// judged tells whether a revision that comes into service is put on probation.
func (a *applier) judged(next *revision, was *predecessor) bool {
	return a.boot.Probation > 0 && !a.goingBack && was.revision != nil && was.phase.serves() &&
		next.from.Source == string(a.boot.Source) && next.from.Forced.IsZero()
}

// newProbation is that of next, which is coming into service in place of was; nil: it is not judged. One that is
// replaced on probation has passed, unless something speaks against it: then the one before it stays the one to go back
// to.
func (a *applier) newProbation(next *revision, was predecessor) *probation {
	if !a.judged(next, &was) {
		return nil
	}
	now := time.Now()
	p := &probation{former: was, begun: now, until: now.Add(a.boot.Probation)}
	if last := a.probation; last != nil && last.doubtful() {
		p.former, p.mark = last.former, last.mark
	}
	if p.former.doc.Revision == next.doc.Revision {
		return nil // it was taken back
	}
	return p
}

// begin ends the probation of what served, and begins p, which is that of next and may be nil.
func (a *applier) begin(p *probation, next *revision) {
	a.endProbation()
	if p == nil {
		return
	}
	if p.mark == nil {
		p.mark = a.registry.Mark()
	}
	p.subjects = a.subjects(p.former.revision, next, p.mark)
	p.looks = time.NewTicker(lookEvery)
	a.probation = p
}

// endProbation leaves what serves in service.
func (a *applier) endProbation() {
	if a.probation != nil {
		a.probation.looks.Stop()
		a.probation = nil
	}
}

// checkProbation looks at the revision on probation.
func (a *applier) checkProbation(ctx context.Context, now time.Time) {
	p := a.probation
	if h := p.check(now); h != nil && (p.retry.at.IsZero() || p.retry.due(now)) {
		a.rollBack(ctx, h, now)
		return
	}
	if now.Before(p.until) || p.suspects() && now.Before(p.until.Add(probationMore)) {
		return
	}
	a.pass()
}

// pass ends the probation of what serves, and gives up what the one before it held.
func (a *applier) pass() {
	a.endProbation()
	a.set.Retire(a.active.list())
	a.catalog.Watch(a.catalogQueries())
	a.mu.Lock()
	a.now.status.ProbationUntil = time.Time{}
	a.mu.Unlock()
	a.logger.Debug("revision has passed its probation", "revision", a.active.doc.Revision)
}

// rollBack puts the former revision back, unless that would take the endpoints from what serves.
func (a *applier) rollBack(ctx context.Context, h *harm, now time.Time) {
	p, bad, orphaned := a.probation, a.active, a.phase() == phaseOrphaned
	a.mu.Lock()
	rejected := a.now.status.LastRejected // of a newer document: it came after this one was applied
	a.mu.Unlock()
	err := a.goBack(ctx, func(n *serving) {
		n.rolledBack(&RolledBack{
			ID: bad.doc.Revision, Hash: bad.from.Hash, To: p.former.doc.Revision, Since: p.begun, At: now,
			Requests: h.all.Requests, Failed: h.all.Faults.Ours(), Reasons: h.reasons, Compared: h.compared,
			name: bad.from.Name,
		}, p.former.phase, orphaned, rejected)
	})
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		p.retry.failed(now)
		if why := reasons(err); !slices.Equal(p.logged, why) {
			p.logged = why
			a.logger.Warn("revision does harm, but the one before cannot be put back", "revision", bad.doc.Revision,
				"before", p.former.doc.Revision, "reasons", why, "harm", h.reasons)
		}
		return
	}
	a.trialEnds = time.Time{}
	a.trials().rolledBack(bad.from, h.reasons, now)
	a.registry.RevisionRolledBack.Inc()
	a.logger.Warn("revision rolled back, the one before serves again", "revision", bad.doc.Revision, "hash",
		bad.from.Hash, "active", p.former.doc.Revision, "after", now.Sub(p.begun).Round(time.Millisecond).String(),
		"requests", h.all.Requests, "failed", h.all.Faults.Ours(), "reasons", h.reasons)
}

// goBack applies the former revision. as notes that it was put back.
func (a *applier) goBack(ctx context.Context, as func(*serving)) error {
	former := a.former()
	if all := a.lost(former.doc, former.outlook(), coverage.ends); len(all) > 0 {
		return &heldError{all}
	}
	a.goingBack = true
	defer func() { a.goingBack = false }()
	return a.apply(ctx, former.doc, former.from, as)
}

// subjects are what is judged of next, in place of former.
func (a *applier) subjects(former, next *revision, mark *telemetry.Mark) []subject {
	touched := docdiff.FindTouched(former.doc, next.doc)
	all := make([]subject, 0, len(touched.Routes)+len(touched.Listeners))
	for _, t := range touched.Routes {
		r := &next.doc.Routes[t.Next]
		took := takenBy(former, &t, r)
		if took == "" {
			continue // its requests were answered with 404
		}
		tele := a.registry.Route(r.Name)
		all = append(all, subject{
			name: "route " + r.Name, of: "requests", before: mark.Route(a.registry.Route(took), leastRequests),
			requests: func() uint64 { return uint64(tele.Requests()) }, faults: next.table.Faults(t.Next).Load,
			mayBeEmpty: next.mayBeEmpty(r.Clusters),
		})
	}
	for _, t := range touched.Listeners {
		if t.Before < 0 {
			continue // nobody could connect
		}
		l := &next.doc.Listeners[t.Next]
		tele := a.registry.Listener(l.Name, telemetry.L4)
		was := a.registry.Listener(former.doc.Listeners[t.Before].Name, telemetry.L4)
		all = append(all, subject{
			name: "listener " + l.Name, of: "connections", before: mark.Listener(was, leastRequests),
			requests: func() uint64 { return tele.Outcomes().Requests }, faults: next.connections[t.Next].Load,
			mayBeEmpty: slices.ContainsFunc(slices.Collect(maps.Values(forwarded(l))), next.mayBeEmpty),
		})
	}
	for i := range all {
		all[i].begin()
	}
	return all
}

// takenBy is the former route that took the requests which are now r's; empty = none did.
func takenBy(former *revision, t *docdiff.Touch, r *config.Route) string {
	if t.SameMatch {
		return former.doc.Routes[t.Before].Name
	}
	return former.table.Covering(&r.Match)
}
