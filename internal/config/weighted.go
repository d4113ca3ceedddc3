package config

import "go.yaml.in/yaml/v4"

// WeightedCluster is a cluster's share of a route's requests.
type WeightedCluster struct {
	Name   string
	Weight int // 0 (no traffic) to 65535
}

var weightedBlock = block[WeightedCluster]{
	form: "{name: orders, weight: 95}",
	fields: []field[WeightedCluster]{
		at("name", func(w *WeightedCluster) *string { return &w.Name }, routedCluster),
		at("weight", func(w *WeightedCluster) *int { return &w.Weight }, weight),
	},
	begin: func(d *decoder, w *WeightedCluster) { w.Weight = 1 },
	end: func(d *decoder, n *yaml.Node, w *WeightedCluster) {
		if !has(n, "name") {
			d.problem(n, "name is missing")
		}
	},
}

// weight is a share; 0 takes no traffic and keeps the rest as it is.
var weight = count(0, 65535)

// weightedClusters is a split by weight.
var weightedClusters = blocksOf(&weightedBlock).then(func(d *decoder, n *yaml.Node, list *[]WeightedCluster) {
	sum, names := 0, make([]string, len(*list))
	for i, w := range *list {
		sum += w.Weight
		names[i] = w.Name
	}
	switch {
	case len(*list) == 0:
		d.problem(n, "want at least one cluster (seen an empty list)")
	case sum == 0:
		d.problem(n, "want a weight above 0 (seen only 0)")
	}
	d.onlyOnce(n, names)
})

// oneCluster is a split with one part, written as its name.
var oneCluster = kind[[]WeightedCluster]{
	decode: func(d *decoder, n *yaml.Node, v *[]WeightedCluster) {
		if n.Kind == yaml.SequenceNode {
			d.problem(n, "want one cluster, write clusters for several (seen a list)")
			return
		}
		w := WeightedCluster{Weight: 1}
		routedCluster.decode(d, n, &w.Name)
		*v = []WeightedCluster{w}
	},
	encode: func(e *encoder, v *[]WeightedCluster) { e.text((*v)[0].Name) },
}

// routedCluster is a cluster that speaks HTTP.
var routedCluster = clusterName.then(func(d *decoder, n *yaml.Node, v *string) {
	switch c := d.cluster(*v); {
	case c == nil: // it is there, and broken; or the list has very many problems, and is not kept whole
	case c.Protocol == ProtocolTCP:
		d.problem(n, "a route needs a cluster that speaks HTTP (the protocol of %s is tcp)", *v)
	case c.ProxyProtocol != "":
		d.problem(n, "a route needs a cluster without proxy_protocol: requests of many clients share its "+
			"connections (that of %s is %s)", *v, c.ProxyProtocol)
	}
})

// single knows the split that cluster: makes; a base may have it with no weight.
func (r *Route) single() bool {
	return len(r.Clusters) == 1 && r.Clusters[0].Weight <= 1 && r.Sticky.Cookie.Name == ""
}

func (r *Route) split() bool { return len(r.Clusters) > 0 && !r.single() }
