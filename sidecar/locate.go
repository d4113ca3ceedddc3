package sidecar

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// relocateEvery is how often the agent is asked where it is, once it has said so: its node may get another zone.
	relocateEvery = 5 * time.Minute

	locateFirst = time.Second
	locateLast  = time.Minute
)

// locator finds out where the gateway runs, from when a revision first wants to know it.
type locator struct {
	*Sidecar
	wanted chan struct{} // one token: a revision prefers what is near
	zoned  atomic.Bool   // a revision wants the zone of the agent's node
}

// want makes the locator begin, if a cluster of the document depends on what it finds.
func (l *locator) want(doc *config.Document) {
	for i := range doc.Clusters {
		switch prefer := doc.Clusters[i].Consul.Prefer; {
		case prefer == config.PreferZone && l.boot.Zone == "":
			l.zoned.Store(true)
			discovery.Signal(l.wanted)
		case prefer == config.PreferNode:
			discovery.Signal(l.wanted)
		}
	}
}

// newLocator makes a locator. Until the agent has answered, the gateway runs where the state directory has it.
func newLocator(s *Sidecar) *locator {
	kept := s.state.location()
	here := cluster.Location{Node: kept.Node, Datacenter: kept.Datacenter, Zone: cmp.Or(s.boot.Zone, kept.Zone)}
	if here.Node == "" || here.Zone == "" {
		here.Unknown = "the agent has not said yet where it is"
	}
	s.set.SetLocation(here)
	return &locator{Sidecar: s, wanted: make(chan struct{}, 1)}
}

// run asks the agent until ctx ends, if anybody wants to know.
func (l *locator) run(ctx context.Context) {
	select {
	case <-l.wanted:
	case <-ctx.Done():
		return
	}
	pause, told := locateFirst, ""
	here := l.set.Location()
	for {
		found, err := l.consul.Locate(ctx)
		if ctx.Err() != nil {
			return
		}
		here = learn(here, found, err, l.boot.Zone)
		wait := relocateEvery
		if err == nil {
			pause = locateFirst
		} else {
			wait, pause = pause, min(2*pause, locateLast)
		}
		l.set.SetLocation(here)
		if what := here.Node + " " + here.Zone + " " + here.Unknown; what != told {
			told = what
			l.tell(here, here.Node == "" || here.Zone == "" && l.zoned.Load())
		}
		if !waitFor(ctx, wait/2+rand.N(wait/2)) {
			return
		}
	}
}

// learn is where the gateway runs, after the agent was asked once more: before is what was known, zone that of the
// bootstrap, which wins. An error takes nothing away: what was said holds until something else is.
func learn(before cluster.Location, found consul.Location, err error, zone string) cluster.Location {
	here := cluster.Location{Node: found.Node, Datacenter: found.Datacenter, Zone: cmp.Or(zone, found.Zone)}
	switch {
	case err == nil && here.Zone == "":
		here.Unknown = "node " + here.Node +
			" has none: set GATEWAY_ZONE, or the locality or the meta data zone of the node"
	case err == nil:
	case found.Node == "" || found.Node == before.Node:
		here = before
		if here.Unknown = ""; here.Node == "" || here.Zone == "" {
			here.Unknown = err.Error()
		}
	case here.Zone == "":
		here.Unknown = err.Error()
	}
	return here
}

// tell logs where the gateway runs; unknown: what somebody wants to know of it is not known.
func (l *locator) tell(here cluster.Location, unknown bool) {
	if unknown {
		l.logger.Warn("where the gateway runs is not known, so no endpoint is preferred",
			"node", here.Node, "zone", here.Zone, "error", here.Unknown)
		return
	}
	l.logger.Info("where the gateway runs", "node", here.Node, "zone", here.Zone)
}

// waitFor waits, and tells whether ctx has not ended.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
