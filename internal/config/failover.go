package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFailover bounds the clusters behind one, those that its own fail over to included.
const maxFailover = 16

// failoverNames are checked when all clusters are known: see checkFailovers.
var failoverNames = listOf(followed(name)).then(func(d *decoder, n *yaml.Node, v *[]string) {
	if len(*v) == 0 {
		d.problem(n, "want at least one cluster, leave failover out for none (seen an empty list)")
	}
	d.onlyOnce(n, *v)
})

// Failovers has, for each cluster that others stand in for, those others in order of preference. It has each of its
// failover, and behind each those to which that one fails over itself.
func (d *Document) Failovers() map[string][]string {
	var all map[string][]string
	byName := make(map[string]*Cluster, len(d.Clusters))
	for i := range d.Clusters {
		byName[d.Clusters[i].Name] = &d.Clusters[i]
	}
	for i := range d.Clusters {
		if c := &d.Clusters[i]; len(c.Failover) > 0 {
			if all == nil {
				all = map[string][]string{}
			}
			all[c.Name], _ = failoverOrder(c.Name, func(name string) *Cluster { return byName[name] })
		}
	}
	return all
}

// failoverOrder is one entry of Failovers, cut behind maxFailover; loop is the way on which first leads back to itself,
// nil = none.
func failoverOrder(first string, find func(string) *Cluster) (order, loop []string) {
	way := []string{first}
	var visit func(c *Cluster)
	visit = func(c *Cluster) {
		for _, name := range c.Failover {
			next := find(name)
			switch {
			case name == first && loop == nil:
				loop = append(slices.Clone(way), first)
			case next == nil || name == first || slices.Contains(order, name) || len(order) > maxFailover:
			default:
				order = append(order, name)
				way = append(way, name)
				visit(next)
				way = way[:len(way)-1]
			}
		}
	}
	if c := find(first); c != nil && len(c.Failover) > 0 {
		visit(c)
	}
	return order, loop
}

// checkFailovers checks what the clusters fail over to: they may name one that comes later, or in another part.
func (d *decoder) checkFailovers() {
	for _, f := range d.failovers {
		d.part, d.base, d.path = f.part, f.base, f.path
		c := d.cluster(f.cluster)
		if c == nil {
			continue // it was left out
		}
		for _, name := range c.Failover {
			if !d.claimed("clusters", name) {
				d.follow(name)
			}
		}
		for i, name := range c.Failover {
			if i < len(f.node.Content) {
				d.enterItem(i)
				d.checkFailover(f.node.Content[i], c, name, d.cluster(name))
				d.leave()
			}
		}
		order, loop := failoverOrder(c.Name, d.cluster)
		switch {
		case len(loop) > 2 && loop[0] == slices.Min(loop): // once a loop
			d.problem(f.node, "a cluster cannot stand in for itself (seen %s)", strings.Join(loop, " -> "))
		case len(order) > maxFailover:
			d.problem(f.node, "want at most %d clusters, those that they fail over to themselves included", maxFailover)
		}
		for _, name := range order[:max(0, len(order)-1)] {
			if next := d.cluster(name); next != nil {
				next.Backed = true
				d.ejectAll(next)
			}
		}
	}
	d.path = nil
}

// ejectAll lets all endpoints of c be ejected, since there are other clusters then, unless c says itself how many may.
func (d *decoder) ejectAll(c *Cluster) {
	if !d.ownEjected[c.Name] {
		c.PassiveHealth.MaxEjectedPercent = 100
	}
}

// cluster is the one of that name, nil if there is none, or if it was left out.
func (d *decoder) cluster(name string) *Cluster {
	if i, ok := d.clusters[name]; ok && i < len(d.doc.Clusters) {
		return &d.doc.Clusters[i]
	}
	return nil
}

func (d *decoder) checkFailover(n *yaml.Node, c *Cluster, name string, to *Cluster) {
	switch {
	case name == "": // it was refused
	case name == c.Name:
		d.problem(n, "a cluster cannot stand in for itself (seen %s)", name)
	case to == nil && !d.claimed("clusters", name):
		d.problem(n, "cluster %s is not defined (%s)", name, knownNames(name, d.namesOf("clusters")))
	case to == nil: // it is there, and broken
	case c.Protocol != ProtocolTCP && to.Protocol == ProtocolTCP:
		d.problem(n, "%s needs a cluster that speaks HTTP (the protocol of %s is tcp)", c.Name, name)
	case c.Protocol != ProtocolTCP && c.ProxyProtocol == "" && to.ProxyProtocol != "":
		d.problem(n, "%s needs a cluster without proxy_protocol (that of %s is %s)", c.Name, name, to.ProxyProtocol)
	}
}

// declaredFailover is where a cluster says what it fails over to.
type declaredFailover struct {
	place
	cluster string
	path    []step
	node    *yaml.Node
}
