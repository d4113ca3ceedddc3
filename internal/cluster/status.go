package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Words for an endpoint's state, all facts taken together.
const (
	stateHealthy     = "healthy"
	stateEjected     = "ejected"     // by passive health, probes included
	stateUnhealthy   = "unhealthy"   // by the catalog, or by active checks
	stateMaintenance = "maintenance" // by an operator
	stateDraining    = "draining"    // not named any more, requests are still in flight
)

// Status is a cluster as /status shows it.
type Status struct {
	Name        string           `json:"name"`
	Balance     string           `json:"balance"`
	Panic       bool             `json:"panic"` // endpoints are used that are not healthy
	Failover    *FailoverStatus  `json:"failover,omitempty"`
	SkippedBy   []string         `json:"skipped_by,omitempty"` // see skip
	Prefer      *PreferStatus    `json:"prefer,omitempty"`
	Follows     string           `json:"follows,omitempty"`  // a service of the catalog, and why it has no instance
	Failures    string           `json:"failures,omitempty"` // statuses that are failures, where the document names some
	InFlight    int64            `json:"in_flight"`
	Connections int64            `json:"connections"`
	Pending     int              `json:"pending"`
	Unknown     bool             `json:"unknown"`  // there is none to use, and the catalog has not said yet which exist
	Awaiting    int              `json:"awaiting"` // requests that wait for that
	Endpoints   []EndpointStatus `json:"endpoints"`
}

// FailoverStatus is which clusters stand in for one, and which does now.
type FailoverStatus struct {
	Order  []string `json:"order"`  // of preference
	Active string   `json:"active"` // empty = none: the cluster itself serves
}

// EndpointStatus is an endpoint as /status shows it. What Consul says and what was
// seen of it (Passive, Check) are separate facts; State is what comes of all.
type EndpointStatus struct {
	Address         string  `json:"address"`
	Static          bool    `json:"static"`
	Near            bool    `json:"near,omitempty"` // on the node, or in the zone, that the cluster prefers
	Weight          int     `json:"weight"`
	EffectiveWeight float64 `json:"effective_weight"`
	State           string  `json:"state"`
	Reason          string  `json:"reason,omitempty"`
	// why no request goes to it; empty = it is one to choose from
	Unused   string        `json:"unused,omitempty"`
	Since    *time.Time    `json:"since,omitempty"`
	InFlight int64         `json:"in_flight"`
	Idle     int           `json:"idle"`
	Consul   *ConsulStatus `json:"consul,omitempty"`
	Passive  PassiveStatus `json:"passive"`
	Check    *CheckStatus  `json:"check,omitempty"`

	Recent *telemetry.EndpointRate `json:"recent,omitempty"` // of the last minute; nothing without a request
}

// ConsulStatus is what the catalog says of an endpoint.
type ConsulStatus struct {
	State string    `json:"state"` // passing, warning, critical, maintenance, deregistered
	Since time.Time `json:"since"`
	// Check is the check that State is of, and Output what it said when it became that; empty: not known.
	Check  string `json:"check,omitempty"`
	Output string `json:"output,omitempty"`

	Held *time.Time `json:"held_until,omitempty"` // in use until then all the same
}

// CheckStatus is what active checks say of an endpoint.
type CheckStatus struct {
	State  string     `json:"state"`            // unknown, healthy, unhealthy
	Reason string     `json:"reason,omitempty"` // of the last failure since the state began
	Since  *time.Time `json:"since,omitempty"`
}

// PassiveStatus is what requests to an endpoint have shown.
type PassiveStatus struct {
	State    string     `json:"state"` // healthy, ejected, probing
	Reason   string     `json:"reason,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Failures int        `json:"failures"` // in a row

	LastError   string     `json:"last_error,omitempty"` // of a connection or a response, however long ago
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// Status tells of every cluster in service, by name.
func (s *Set) Status() []Status {
	rates := s.reg.EndpointRates()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.groups))
	for _, g := range s.groups {
		if g.inService() { // +checklocksignore: one set
			list = append(list, g.status(rates)) // +checklocksignore: one set
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	skip(list)
	return list
}

// skip notes by which clusters one in panic is passed over: their failover names it, and it stands in for none.
func skip(list []Status) {
	for i := range list {
		c := &list[i]
		if !c.Panic {
			continue
		}
		for j := range list {
			f := list[j].Failover
			if f == nil || !slices.Contains(f.Order, c.Name) {
				continue
			}
			if f.Active == c.Name {
				c.SkippedBy = nil
				break
			}
			c.SkippedBy = append(c.SkippedBy, list[j].Name)
		}
	}
}

// Status tells of the cluster as its newest revision in service has it.
func (c *Cluster) Status() Status {
	rates := c.group.set.reg.EndpointRates()
	c.group.set.mu.Lock()
	defer c.group.set.mu.Unlock()
	return c.group.status(rates)
}

// status tells of one cluster; the whole group's as far as revisions share it.
//
// +checklocks:g.set.mu
func (g *group) status(rates map[*telemetry.Endpoint]telemetry.EndpointRate) Status {
	c := g.active.Load()
	st := Status{
		Name:        g.name,
		Balance:     c.cfg.Balance,
		Panic:       g.inPanic(),
		Follows:     c.feed.follows(),              // +checklocksignore: one set
		Prefer:      c.preferStatus(c.view.Load()), // +checklocksignore: one set
		Failures:    failures(&c.cfg.PassiveHealth),
		InFlight:    g.requests.Load(),
		Connections: g.conns.Load(),
		Pending:     int(g.waiting.Load()),
		Unknown:     !c.Usable() && len(c.unknown()) > 0, // +checklocksignore: one set
		Awaiting:    g.awaiting(),
		Endpoints:   []EndpointStatus{},
	}
	if others := c.StandIns(); len(others) > 0 {
		st.Failover = &FailoverStatus{}
		for _, o := range others {
			st.Failover.Order = append(st.Failover.Order, o.Name())
		}
		if o := g.standIn(); o != nil {
			st.Failover.Active = o.Name()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	named := map[*health]bool{}
	v := c.view.Load()
	usable := c.usable(v)
	for _, l := range v.listed {
		named[l.endpoint.health] = true
		e := l.endpoint.health.endpointStatus(c, l) // +checklocksignore: one group
		e.Near = l.near
		if !usable[l.endpoint] {
			e.Unused = e.whyUnused()
		} else {
			e.Unused = v.restsBy(&l, c)
		}
		if r, ok := rates[l.endpoint.health.measured]; ok {
			e.Recent = &r
		}
		st.Endpoints = append(st.Endpoints, e)
	}
	for _, h := range g.healths {
		if n := h.inFlight.Load(); n > 0 && !named[h] {
			passive := h.passiveStatus() // +checklocksignore: one group
			st.Endpoints = append(st.Endpoints, EndpointStatus{
				Address: h.address, State: stateDraining, Reason: goneReason, Unused: goneReason, InFlight: n,
				Passive: passive,
			})
		}
	}
	return st
}

// failures says which statuses count as failures, where that is not as everybody has it.
func failures(p *config.PassiveHealth) string {
	switch {
	case p.StandardStatuses():
		return ""
	case len(p.Statuses) == 0:
		return "no status is a failure"
	}
	return "failures are " + strings.Join(p.Statuses, ", ")
}

const goneReason = "not named any more"

func (e *EndpointStatus) whyUnused() string {
	if e.Weight <= 0 {
		return "weight 0"
	}
	return e.Reason
}

// endpointStatus tells of the endpoint as c lists it.
//
// +checklocks:h.group.mu
// +checklocks:h.group.set.mu
func (h *health) endpointStatus(c *Cluster, l listing) EndpointStatus {
	st := EndpointStatus{
		Address:  l.endpoint.address,
		Static:   l.static,
		Weight:   l.weight,
		State:    stateHealthy,
		InFlight: h.inFlight.Load(),
		Idle:     int(l.endpoint.idle.count.Load()),
		Passive:  h.passiveStatus(),
	}
	st.EffectiveWeight = float64(l.weight) * float64(h.factor) * float64(h.pace.Load()) / (full * full)
	if e := l.entry; e != nil {
		st.Consul = &ConsulStatus{
			State: e.State.String(), Since: h.clock.wall(e.since), Check: e.Check, Output: e.Output,
		}
		if e.hold != notHeld {
			st.Consul.Held = h.at(e.until)
		}
	}
	if c.cfg.HealthCheck.Type != "" {
		st.Check = h.checkStatus()
	}
	switch {
	case l.entry.maintenance():
		st.State, st.Reason, st.Since = stateMaintenance, "consul: "+st.Consul.why(), &st.Consul.Since
		st.EffectiveWeight = 0
	case h.gate.Load() != gateOpen:
		st.State, st.Reason, st.Since = stateEjected, "passive: "+st.Passive.Reason, st.Passive.Since
		if h.gate.Load() == gateEjected {
			st.EffectiveWeight = 0
		}
	case !l.entry.inRotation(c.cfg.Consul.OnlyPassing):
		st.State, st.Reason, st.Since = stateUnhealthy, "consul: "+st.Consul.why(), &st.Consul.Since
	case l.sick:
		st.State, st.Reason, st.Since = stateUnhealthy, "check: "+st.Check.Reason, st.Check.Since
	}
	return st
}

// why is the state with the check that it is of.
func (s *ConsulStatus) why() string {
	text := s.State
	if s.Check != "" && s.State != Maintenance.String() { // that has a name of Consul's own
		text += fmt.Sprintf(", check %q", s.Check)
	}
	if s.Output != "" {
		text += ": " + s.Output
	}
	return text
}

// +checklocks:h.group.set.mu
func (h *health) checkStatus() *CheckStatus {
	st := &CheckStatus{State: h.check.state.String(), Reason: h.check.reason}
	if h.check.state != unchecked {
		st.Since = h.at(h.check.since)
	}
	return st
}

// +checklocks:h.group.mu
func (h *health) passiveStatus() PassiveStatus {
	gate := h.gate.Load()
	st := PassiveStatus{State: gateName(gate), Failures: h.fails}
	if t := h.lastError.Load(); t != nil {
		st.LastError, st.LastErrorAt = t.text, &t.at
	}
	if gate != gateOpen || h.ejections > 0 {
		st.Since = h.at(h.since)
	}
	if gate != gateOpen {
		st.Reason = h.cause.String()
	}
	if gate == gateEjected {
		st.Until = h.at(h.until)
	}
	return st
}

func (h *health) at(d time.Duration) *time.Time {
	t := h.clock.wall(d)
	return &t
}
