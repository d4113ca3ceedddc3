package cluster

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// view is a cluster's endpoints at one moment, ready to be picked from; immutable but for the share of split.
type view struct {
	// tier is what a pick chooses from. That is weight > 0 and healthy by the catalog and by active checks, or, with
	// none such, what panic mode allows.
	tier
	// split is the same in two parts, where some endpoints are preferred; nil: none are, or there are no others.
	split *split
	near  int  // listed endpoints that are preferred
	sole  bool // there are members, and all of them are
	// all is what panic mode falls back to: weight > 0, not in maintenance.
	all []member
	// unhealthy tells that members are there by panic mode.
	unhealthy bool
	// critical tells that the catalog calls all of members critical.
	critical bool
	// listed is every endpoint, for the status.
	listed []listing
}

// tier is a list of endpoints with what balancers need of it.
type tier struct {
	members []member
	// cumulative weights of members, for random draws.
	cumulative []int64
	// slots are those of a cluster with balance hash: indexes of members.
	slots []int32
}

// member is an endpoint that may get traffic.
type member struct {
	endpoint *Endpoint
	health   *health // endpoint.health, one load nearer
	weight   int64
	recovery int64 // how much preference it regains with each pick of the cluster
}

// listing is an endpoint with what the document and the catalog say of it.
type listing struct {
	endpoint *Endpoint
	weight   int
	static   bool
	entry    *entry // what the catalog says; nil = nothing
	sick     bool   // active checks say so
	near     bool   // it is one that the cluster prefers
}

// regain is over how many of its own turns an endpoint regains all its preference. Between failures it recovers 1/32 a
// turn, so one that fails half the time keeps about a third of its share.
const regain = 32

// build makes the view of what the document and the catalog name now.
//
// +checklocks:c.group.set.mu
func (c *Cluster) build() *view {
	v, before := &view{}, c.view.Load()
	if before == nil {
		before = &view{}
	}
	static := make(map[string]bool, len(c.cfg.Endpoints))
	dynamic := c.feed.sorted() // +checklocksignore: one set
	v.listed = make([]listing, 0, len(c.cfg.Endpoints)+len(dynamic))
	for _, e := range c.cfg.Endpoints {
		if static[e.Address] {
			continue
		}
		static[e.Address] = true
		known := c.feed.entry(e.Address) // +checklocksignore: one set
		v.listed = append(v.listed, listing{
			endpoint: c.group.endpoint(e.Address, c), weight: e.Weight, static: true, entry: known,
		})
	}
	for _, d := range dynamic {
		if !static[d.Address] {
			v.listed = append(v.listed, listing{endpoint: c.group.endpoint(d.Address, c), weight: d.Weight, entry: d})
		}
	}
	v.critical = true
	v.all, v.members = make([]member, 0, len(v.listed)), make([]member, 0, len(v.listed))
	for i := range v.listed {
		l := &v.listed[i]
		l.sick = l.endpoint.health.failsCheck(c.cfg) // +checklocksignore: one set
		if l.weight <= 0 || l.entry.maintenance() {
			continue
		}
		m := member{endpoint: l.endpoint, health: l.endpoint.health, weight: int64(l.weight)}
		v.all = append(v.all, m)
		v.critical = v.critical && !l.entry.inRotation(false)
		if l.entry.inRotation(c.cfg.Consul.OnlyPassing) && !l.sick {
			v.members = append(v.members, m)
		}
	}
	switch {
	case len(v.members) == 0 && !c.strict:
		v.members, v.unhealthy = v.all, len(v.all) > 0
	case len(v.members) == len(v.all):
		v.members = v.all // the same ones
	}
	v.prepare(c, &before.tier)
	prepare(v.all)
	if c.cfg.Consul.Prefer != "" {
		v.divide(c, before.split) // +checklocksignore: one set
	}
	return v
}

// prepare makes what balancers need. before is the tier in whose place it comes.
func (t *tier) prepare(c *Cluster, before *tier) {
	prepare(t.members)
	sum := int64(0)
	t.cumulative = make([]int64, 0, len(t.members))
	for _, m := range t.members {
		sum += m.weight
		t.cumulative = append(t.cumulative, sum)
	}
	if c.cfg.Balance == config.BalanceHash {
		t.slots = slotsAfter(before, t.members)
	}
}

// prepare works out the pace of recovery: by its share of the picks.
func prepare(ms []member) {
	sum := int64(0)
	for _, m := range ms {
		sum += m.weight
	}
	for i := range ms {
		ms[i].recovery = max(1, full/regain*ms[i].weight/sum)
	}
}
