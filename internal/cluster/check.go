package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Probe checks the endpoint at address. The error is nil for a healthy endpoint, ErrNoVerdict if it
// could not be checked, else it says in a few words what is wrong. Probe ends with ctx.
type Probe func(ctx context.Context, address string) error

// ErrNoVerdict is returned by a Probe that could not check, for a reason that is not the endpoint's.
var ErrNoVerdict = errors.New("no verdict")

// checked is what active checks have shown of an endpoint. It is part of its health, so it survives revisions.
type checked struct {
	state  checkState
	streak int           // results in a row that say otherwise
	since  time.Duration // of the state
	due    time.Duration // when it is probed next
	reason string        // of the last failure
}

type checkState uint8

const (
	unchecked    checkState = iota // nothing is known: it is used until the first result, which decides at once
	checkPassing                   // used until unhealthy_threshold failures in a row
	checkFailing                   // not used until healthy_threshold successes in a row
)

// String is the state as /status shows it.
func (s checkState) String() string {
	switch s {
	case checkPassing:
		return stateHealthy
	case checkFailing:
		return stateUnhealthy
	default:
		return "unknown"
	}
}

const (
	// checksAtOnce bounds the probes of one cluster under way.
	checksAtOnce = 16
	// rescanEvery is how soon a new endpoint is found.
	rescanEvery = time.Second
	// maxReason bounds what is kept of a failure.
	maxReason = 200
)

// checker is the active check of one revision's cluster.
type checker struct {
	c     *Cluster
	probe Probe
	cfg   config.HealthCheck
}

// Check probes the endpoints as health_check in the document says, until the cluster is retired or
// ctx ends; Run waits for that. It is for the applying goroutine, once, when the cluster comes into
// service.
func (c *Cluster) Check(ctx context.Context, p Probe) {
	s := c.group.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.cfg.HealthCheck.Type == "" || c.endChecks != nil || !slices.Contains(c.group.live, c) {
		return
	}
	ctx, c.endChecks = context.WithCancel(ctx)
	k := &checker{c, p, c.cfg.HealthCheck}
	s.checks.Go(func() { k.run(ctx) })
}

// run is the checking goroutine; it ends with ctx, after the probes that it has begun.
func (k *checker) run(ctx context.Context) {
	places := make(chan struct{}, checksAtOnce)
	var probes sync.WaitGroup
	defer probes.Wait()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake.C:
		}
		due, next := k.due()
		for _, h := range due {
			select {
			case <-ctx.Done():
				return
			case places <- struct{}{}:
			}
			probes.Go(func() {
				defer func() { <-places }()
				k.check(ctx, h)
			})
		}
		wake.Reset(next)
	}
}

// due gives the endpoints that are to be probed now, and how long until there may be others. Their
// next time is set: about an interval later, so that gateways which began together do not stay
// together.
func (k *checker) due() (list []*health, next time.Duration) {
	s := k.c.group.set
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	next = rescanEvery
	for _, l := range k.c.view.Load().listed {
		h := l.endpoint.health
		due, wait := h.dueFor(k.cfg, now) // +checklocksignore: one set
		if due {
			list = append(list, h)
		}
		next = min(next, wait)
	}
	return list, next
}

// dueFor tells whether the endpoint is to be probed now, and sets when it is probed next.
//
// +checklocks:h.group.set.mu
func (h *health) dueFor(cfg config.HealthCheck, now time.Duration) (due bool, wait time.Duration) {
	if due = h.check.due <= now; due {
		h.check.due = now + cfg.Interval*9/10 + rand.N(cfg.Interval/5+1)
	}
	h.check.due = min(h.check.due, now+cfg.Interval*11/10) // the interval may have been longer
	return due, h.check.due - now
}

// check probes one endpoint.
func (k *checker) check(ctx context.Context, h *health) {
	probing, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	err := k.probe(probing, h.address)
	switch {
	case ctx.Err() != nil, errors.Is(err, ErrNoVerdict):
		return // the check was cut, not the endpoint
	case err != nil && errors.Is(probing.Err(), context.DeadlineExceeded):
		err = errTimeout
	}
	k.result(h, err)
}

var errTimeout = errors.New("timeout")

// result takes the result of a probe.
func (k *checker) result(h *health, err error) {
	g := h.group
	g.set.mu.Lock()
	defer g.set.mu.Unlock()
	if !slices.Contains(g.live, k.c) {
		return
	}
	old := h.check.state
	if !h.check.take(err, k.cfg, g.set.clock.now()) {
		return
	}
	g.log.Info("endpoint checked", "cluster", g.name, "endpoint", h.address,
		"old", old.String(), "new", h.check.state.String(), "reason", h.check.reason)
	if old == unchecked && h.check.state == checkPassing {
		return // it was in use
	}
	if h.check.state == checkPassing {
		g.mu.Lock()
		if h.gate.Load() == gateOpen {
			h.startSlowly(g.clock.now())
		}
		g.mu.Unlock()
	}
	for _, c := range g.live {
		c.view.Store(c.build()) // +checklocksignore: one set
	}
	g.notePanic()
}

// take counts a result, and tells whether it changes the state.
func (s *checked) take(err error, cfg config.HealthCheck, now time.Duration) bool {
	says, threshold := checkPassing, cfg.HealthyThreshold
	if err != nil {
		says, threshold = checkFailing, cfg.UnhealthyThreshold
		s.reason = err.Error()
		s.reason = s.reason[:min(len(s.reason), maxReason)]
	}
	if s.state == says {
		if s.streak = 0; err == nil {
			s.reason = ""
		}
		return false
	}
	s.streak++
	if s.state != unchecked && s.streak < threshold {
		return false
	}
	s.state, s.streak, s.since = says, 0, now
	if err == nil {
		s.reason = ""
	}
	return true
}

// failsCheck tells whether the endpoint is out by the active checks of cfg.
//
// +checklocks:h.group.set.mu
func (h *health) failsCheck(cfg *config.Cluster) bool {
	return cfg.HealthCheck.Type != "" && h.check.state == checkFailing
}

// endCheck ends the checks of a cluster that is retired.
//
// +checklocks:c.group.set.mu
func (c *Cluster) endCheck() {
	if c.endChecks != nil {
		c.endChecks()
	}
}

// forgetChecks forgets the results when no revision checks any more.
//
// +checklocks:g.set.mu
func (g *group) forgetChecks() {
	if slices.ContainsFunc(g.live, func(c *Cluster) bool { return c.cfg.HealthCheck.Type != "" }) {
		return
	}
	for _, h := range g.healths {
		h.check = checked{} // +checklocksignore: one set
	}
}
