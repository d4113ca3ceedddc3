package config

import "go.yaml.in/yaml/v4"

// Endpoint is one address of a cluster.
type Endpoint struct {
	Address string // host:port
	Weight  int    // 0 (no traffic) to 65535
}

var endpointBlock = block[Endpoint]{
	fields: []field[Endpoint]{
		at("address", func(e *Endpoint) *string { return &e.Address }, endpointAddress),
		at("weight", func(e *Endpoint) *int { return &e.Weight }, weight),
	},
	begin: func(d *decoder, e *Endpoint) { e.Weight = 1 },
	end: func(d *decoder, n *yaml.Node, e *Endpoint) {
		if !has(n, "address") {
			d.problem(n, "address is missing")
		}
	},
}

// endpoint is a mapping, or just its address.
var endpoint = kind[Endpoint]{
	decode: func(d *decoder, n *yaml.Node, e *Endpoint) {
		if n.Kind != yaml.ScalarNode {
			endpointBlock.decode(d, n, e)
			return
		}
		e.Weight = 1
		endpointAddress.decode(d, n, &e.Address)
	},
	encode: endpointBlock.encode,
}

// checkEndpoints refuses an address that a cluster has twice: its weight is what was meant.
func checkEndpoints(d *decoder, n *yaml.Node, list *[]Endpoint) {
	seen := make(map[string]bool, len(*list))
	for i, e := range *list {
		key := addressKey(e.Address)
		if seen[key] {
			d.enterItem(i)
			d.problem(n.Content[i], "the address %s is there twice", e.Address)
			d.leave()
		}
		seen[key] = true
	}
}
