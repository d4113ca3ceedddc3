package config

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Mirror sends copies of a route's requests to another cluster. What that answers, nobody gets.
type Mirror struct {
	Cluster string  // empty = none
	Percent float64 // of the requests, from 0 to 100
}

// String says what it is, as explain shows it: "10 % to cluster shadow".
func (m Mirror) String() string {
	return strconv.FormatFloat(m.Percent, 'f', -1, 64) + " % to cluster " + m.Cluster
}

var mirrorBlock = block[Mirror]{
	form: "{cluster: shadow, percent: 10}",
	fields: []field[Mirror]{
		at("cluster", func(m *Mirror) *string { return &m.Cluster }, routedCluster),
		at("percent", func(m *Mirror) *float64 { return &m.Percent }, share(0, 100)),
	},
	begin: func(d *decoder, m *Mirror) { m.Percent = 100 },
	end: func(d *decoder, n *yaml.Node, m *Mirror) {
		if !has(n, "cluster") {
			d.problem(n, "cluster is missing: which one gets the copies?")
		}
	},
}
