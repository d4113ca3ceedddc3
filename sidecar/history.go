package sidecar

import (
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

// RevisionRecord is one of the last revisions that the source had.
type RevisionRecord struct {
	// Revision is its name; of one that was never read, the beginning of its document's hash.
	Revision string `json:"revision"`

	State discovery.RevisionState `json:"state"`
	Since time.Time               `json:"since"` // of the state

	// Reasons are why it does not serve, or what to know although it does; the first few.
	Reasons []string `json:"reasons"`

	hash   string // of the document's content; empty for the bootstrap's
	served bool
}

// Bounds of what is kept of revisions.
const (
	keptRevisions = 10
	keptReasons   = 5
	shortHash     = 12 // as long as the name of a revision
)

// history is the last revisions, the newest first. The zero value is empty.
type history []RevisionRecord

// note has a revision in a state. A revision that did not serve until now changes its state; one that did, and comes
// again, is a new record.
func (h *history) note(next RevisionRecord) {
	if next.Revision == "" {
		next.Revision = next.hash[:min(len(next.hash), shortHash)]
	}
	next.Reasons = firstReasons(next.Reasons)
	at := slices.IndexFunc(*h, func(r RevisionRecord) bool { return r.Revision == next.Revision || r.same(&next) })
	switch {
	case at < 0 || (*h)[at].served:
	case (*h)[at].State == next.State:
		(*h)[at].Reasons = next.Reasons
		return
	default:
		*h = slices.Delete(*h, at, at+1)
	}
	if next.served = next.State == discovery.RevisionApplied; next.served {
		h.supersede(next.Since, discovery.RevisionApplied)
	}
	*h = slices.Insert(*h, 0, next)
	*h = (*h)[:min(len(*h), keptRevisions)]
}

// same tells whether two records are of one document.
func (r *RevisionRecord) same(other *RevisionRecord) bool {
	return r.hash != "" && r.hash == other.hash
}

// supersede ends those states of revisions.
func (h *history) supersede(now time.Time, states ...discovery.RevisionState) {
	for i := range *h {
		if r := &(*h)[i]; slices.Contains(states, r.State) {
			r.State, r.Since = discovery.RevisionSuperseded, now
		}
	}
}

// rolledBack notes why the revision that served last but one does no more.
func (h *history) rolledBack(r *RolledBack) {
	at := slices.IndexFunc(*h, func(one RevisionRecord) bool { return one.Revision == r.ID })
	if at >= 0 {
		one := &(*h)[at]
		one.State, one.Since, one.Reasons = discovery.RevisionRolledBack, r.At, firstReasons(r.Reasons)
	}
}

// explain says what to know of the revision that serves.
func (h *history) explain(reasons ...string) {
	for i := range *h {
		if r := &(*h)[i]; r.State == discovery.RevisionApplied {
			r.Reasons = firstReasons(reasons)
		}
	}
}

// records are the revisions, for who changes nothing of them.
func (h *history) records() []RevisionRecord { return slices.Clone(*h) }

func firstReasons(all []string) []string {
	if more := len(all) - keptReasons; more > 0 {
		return append(slices.Clone(all[:keptReasons]), fmt.Sprintf("and %d more", more))
	}
	return orEmpty(slices.Clone(all))
}
