package sidecar

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

// verdict is what became of the newest document that the source delivered. It is derived here and nowhere else; there
// is none before the first revision serves or is rejected.
func (n *serving) verdict() (v consul.Verdict, ok bool) {
	st := &n.status
	switch {
	case st.Held != nil:
		h := st.Held
		v = consul.Verdict{Rev: cmp.Or(h.name, h.ID), State: h.State, Since: h.Since, Until: h.Until}
		v.Reasons = h.Reasons
	case st.LastRejected != nil:
		r := st.LastRejected
		v = consul.Verdict{Rev: r.ID, State: discovery.RevisionRejected, Since: r.At, Reasons: r.Reasons}
		if r.Class == classQuarantined {
			v.State = discovery.RevisionQuarantined
		}
	case st.RolledBack != nil:
		r := st.RolledBack
		v = consul.Verdict{Rev: cmp.Or(r.name, r.ID), State: discovery.RevisionRolledBack, Since: r.At}
		v.Reasons = r.Reasons
	case n.phase == phaseStarting:
		return v, false
	case n.phase == phaseFallback:
		v = consul.Verdict{State: discovery.RevisionWaiting, Since: st.Since, Reasons: []string{n.waiting}}
	default:
		v = consul.Verdict{Rev: cmp.Or(n.name, st.ID), State: discovery.RevisionApplied, Since: st.Since}
		v.ProbationUntil = n.judgedUntil
		if len(n.waitsFor) > 0 {
			v.State, v.Reasons = discovery.RevisionWaiting, n.waitsFor
		}
		if r := st.Replay; r != nil && r.Moved+r.Lost > 0 {
			v.Reasons = append(slices.Clone(v.Reasons), r.String())
		}
		if n.phase == phaseRestored {
			v.Reasons = append(slices.Clone(v.Reasons), fmt.Sprintf("serves from the state directory, as it was at %s",
				n.asOf.UTC().Format(time.RFC3339)))
		}
	}
	return v, true
}

// acknowledge has the verdict told, where that is wanted.
func (a *applier) acknowledge() {
	if a.ack == nil {
		return
	}
	a.mu.Lock()
	v, ok := a.now.verdict()
	a.mu.Unlock()
	if ok {
		a.ack.Say(v)
	}
}
