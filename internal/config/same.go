package config

import (
	"bytes"
	"slices"
)

// Comparison tells whether parts of two documents mean the same: whether the effective documents have the same text for
// them. It keeps memory between calls, and belongs to one goroutine. The zero value is ready.
type Comparison struct{ a, b encoder }

// Routes compares two routes, but for their names.
func (c *Comparison) Routes(a, b *Route) bool {
	x, y := *a, *b
	x.Name = y.Name
	return sameText(c, &routeBlock, &x, &y)
}

// Matches compares which requests two routes are for.
func (c *Comparison) Matches(a, b *Route) bool {
	return slices.Equal(a.Listeners, b.Listeners) && sameText(c, &matchBlock, &a.Match, &b.Match)
}

// Clusters compares two clusters.
func (c *Comparison) Clusters(a, b *Cluster) bool { return sameText(c, &clusterBlock, a, b) }

func sameText[T any](c *Comparison, block *block[T], a, b *T) bool {
	c.a.out, c.b.out = c.a.out[:0], c.b.out[:0]
	block.encode(&c.a, a)
	block.encode(&c.b, b)
	return bytes.Equal(c.a.out, c.b.out)
}
