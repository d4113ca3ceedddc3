package sidecar

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// turn is when a document comes into service, where the gateways of a service take it one after the other. The zero
// value: at once.
type turn struct {
	hash string // of the document's bytes
	at   time.Time
}

// share is how long this gateway lets a document wait: always the same part of GATEWAY_SPREAD, from 0 up to all of it.
func (b *Bootstrap) share() time.Duration {
	part, _ := bits.Mul64(cluster.Hash([]byte(b.Instance)), uint64(b.Spread)) //nolint:gosec // checked: not below 0
	return time.Duration(part)                                                //nolint:gosec // at most Spread
}

// takeTurn finds out when a document is to come into service that the source has delivered. One that is delivered once
// more keeps its turn; another one in between ends it. What takes back a revision has no turn, nor has what a person
// wants here and now. There is none either while nothing of this process's source serves.
func (a *applier) takeTurn(d *discovery.Document, insists bool) {
	phase := a.phase()
	switch {
	case insists || d.Rollback || a.boot.Spread == 0 || phase != phaseCurrent && phase != phaseOrphaned:
		a.turn = turn{}
	case a.turn.hash != d.Hash:
		a.turn = turn{d.Hash, time.Now().Add(a.boot.share())}
	}
}

// turnComes tells when the pending document's turn comes; nil = it does not wait for one.
func (a *applier) turnComes() <-chan time.Time {
	if a.pending == nil || a.pending.turn == nil {
		return nil
	}
	return a.pending.turn.C
}

// waitTurn has the pending document wait for its turn, and reports whether it has to.
func (a *applier) waitTurn(now time.Time) bool {
	p := a.pending
	if !now.Before(a.turn.at) {
		p.endTurn()
		return false
	}
	if p.turn != nil {
		return true
	}
	p.turn = time.NewTimer(a.turn.at.Sub(now))
	a.noteHeld(discovery.RevisionWaiting, []string{
		fmt.Sprintf("waits for its turn, as gateways apply it one after the other within GATEWAY_SPREAD (%s)",
			a.boot.Spread),
	}, a.turn.at)
	a.logger.Info("revision waits for its turn, the one before goes on serving", "revision", p.doc.Revision, "active",
		a.active.doc.Revision, "until", a.turn.at.UTC().Format(time.RFC3339), "spread", a.boot.Spread.String())
	return true
}

// endTurn ends the wait.
func (p *pendingDocument) endTurn() {
	if p.turn != nil {
		p.turn.Stop()
		p.turn = nil
	}
}
