package consul

import (
	"cmp"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Query names the instances that a cluster wants. Equal queries share one watch,
// and so do those that differ only in Tags or Port.
type Query struct {
	Service    string
	Tags       config.Tags `json:"Tag"`        // all of them; upper and lower case are the same to Consul
	Filter     string      `json:",omitempty"` // Consul's to evaluate; empty = none
	Port       string      `json:",omitempty"` // its name; empty = the default port
	Datacenter string      // empty = the agent's
}

// QueryOf is what the catalog is asked for a cluster.
func QueryOf(c config.Consul) Query {
	return Query{Service: c.Service, Tags: c.Tags, Filter: c.Filter, Port: c.Port, Datacenter: c.Datacenter}
}

func (q Query) String() string {
	s := q.Service
	if q.Tags != "" {
		s += " " + q.Tags.String()
	}
	if q.Filter != "" {
		s += " filter " + q.Filter
	}
	if q.Port != "" {
		s += " port " + q.Port
	}
	if q.Datacenter != "" {
		s += " dc " + q.Datacenter
	}
	return s
}

func (q Query) service() service { return service{q.Service, q.Filter, q.Datacenter} }

func compareQueries(a, b Query) int {
	return cmp.Or(
		strings.Compare(a.Service, b.Service),
		strings.Compare(a.Datacenter, b.Datacenter),
		strings.Compare(a.Filter, b.Filter),
		cmp.Compare(a.Tags, b.Tags),
		strings.Compare(a.Port, b.Port),
	)
}

// OfAll is the query for all instances of the service.
func (q Query) OfAll() Query {
	q.Tags, q.Filter, q.Port = "", "", ""
	return q
}

// Wanted says how an instance has to be, as the ends of two sentences. q asks for some of them only.
func (q Query) Wanted() (register, has string) {
	switch {
	case q.Filter != "" || q.Tags != "" && q.Port != "":
		return "that fits", "fits"
	case q.Port != "":
		return "with the port", "has the port"
	case len(q.Tags.List()) > 1:
		return "with all of the tags", "has all of the tags"
	}
	return "with the tag", "has the tag"
}
