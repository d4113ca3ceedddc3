package consul

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// State is what Consul's checks say of an instance, the worst of them.
type State uint8

// The states, best first.
const (
	Passing State = iota
	Warning
	Critical
	Maintenance // somebody took it out on purpose: no new work, and not even in a panic
)

var stateNames = [...]string{"passing", "warning", "critical", "maintenance"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// maxWeight is the most that Consul tells Envoy, so that both share traffic alike.
const maxWeight = 128

// Query names the instances that a cluster wants. Equal queries share one watch,
// and so do those that differ only in Tag and OnlyPassing.
type Query struct {
	Service     string
	Tag         string // empty = any; upper and lower case are the same to Consul
	Datacenter  string // empty = the agent's
	OnlyPassing bool   // take warning for critical
}

func (q Query) String() string {
	s := q.Service
	if q.Tag != "" {
		s += " tag " + q.Tag
	}
	if q.Datacenter != "" {
		s += " dc " + q.Datacenter
	}
	if q.OnlyPassing {
		s += " only passing"
	}
	return s
}

// Instance is one address of a service.
type Instance struct {
	Address string // host:port; the host may be a name
	Weight  int    // 1 to 128; of a critical instance: what it has when all are
	State   State
	ID      string // of the service, unique on its node
	Node    string
}

// Endpoints is the answer to a query: every instance that is registered, in
// order of address, each address once.
type Endpoints struct {
	Query     Query
	Instances []Instance // never edited

	// Negative says that nothing is registered (or nothing with that tag), and
	// that this was confirmed.
	Negative bool
}

// record is what we keep of an instance: enough to answer any query.
type record struct {
	node, id string
	address  string // empty = it has no port
	tags     []string
	state    State
	passing  int // weights
	warning  int
}

// endpointsOf answers a query from all instances of its service.
func endpointsOf(q Query, records []record) Endpoints {
	var found []Instance
	for _, r := range records {
		if r.address != "" && r.tagged(q.Tag) {
			found = append(found, r.instance(q.OnlyPassing))
		}
	}
	// An instance that moved to another node stays registered, critical, on the
	// old one for a while: of two with one address the healthier is the real one.
	slices.SortFunc(found, func(a, b Instance) int {
		return cmp.Or(
			cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.State, b.State),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.ID, b.ID),
		)
	})
	found = slices.CompactFunc(found, func(a, b Instance) bool { return a.Address == b.Address })
	return Endpoints{Query: q, Instances: found, Negative: len(found) == 0}
}

func (r record) tagged(tag string) bool {
	return tag == "" || slices.ContainsFunc(r.tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// instance is what Consul would tell Envoy of it: the weight is that of its
// state, and one below 1 is as good as critical.
func (r record) instance(onlyPassing bool) Instance {
	i := Instance{Address: r.address, Weight: r.passing, State: r.state, ID: r.id, Node: r.node}
	if r.state == Warning {
		i.Weight = r.warning
	}
	if i.State < Critical && i.Weight < 1 || i.State == Warning && onlyPassing {
		i.State = Critical
	}
	i.Weight = min(max(i.Weight, 1), maxWeight)
	return i
}

// usable counts those that would get traffic.
func (e Endpoints) usable() int {
	n := 0
	for _, i := range e.Instances {
		if i.State < Critical {
			n++
		}
	}
	return n
}

func sameEndpoints(a, b Endpoints) bool {
	return a.Negative == b.Negative && slices.Equal(a.Instances, b.Instances)
}
