package sidecar

import (
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// lostError is that too many of the recent requests would lose their route.
type lostError struct {
	replayed route.Replayed
	most     string
}

func (e *lostError) Error() string {
	return fmt.Sprintf("%s (apply.max_lost is %s)", e.replayed, e.most)
}

// affordable tells whether a revision may come into service for what it would make of recent requests. What a person
// insists on may, and so may what served before.
func (a *applier) affordable(next *revision, from discovery.Document) bool {
	return a.goingBack || !from.Forced.IsZero() || next.doc.Apply.Allows(next.replayed.Lost, next.replayed.Requests)
}
