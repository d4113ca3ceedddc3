package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// A Document is one validated revision with every value resolved. What the source left out carries its default, and
// what the bootstrap adds is in it. It is never edited after Decode returned it.
type Document struct {
	// Revision is the identity: a short hex SHA-256 of everything below.
	Revision string

	Listeners []Listener
	Routes    []Route // in document order, the bootstrap's last
	Clusters  []Cluster
	Timeouts  Timeouts
	Limits    Limits
	AccessLog AccessLog
	Apply     Apply

	RequestHeaders  HeaderEdits // of every route, before its own
	ResponseHeaders HeaderEdits // likewise

	ErrorPages []ErrorPage // of responses that the gateway makes itself, sorted by status
}

// Part is one document of a folder, or, without a name, the only one.
type Part struct {
	Name string // the key's or file's name, as problems shall show it
	Data []byte
}

var documentBlock = block[Document]{
	fields: []field[Document]{
		at("listeners", func(d *Document) *[]Listener { return &d.Listeners },
			items(&listenerBlock, (*decoder).addListener, nil)),
		at("routes", func(d *Document) *[]Route { return &d.Routes },
			items(&routeBlock, (*decoder).addRoute, decodeRoutes)),
		at("clusters", func(d *Document) *[]Cluster { return &d.Clusters },
			items(&clusterBlock, (*decoder).addCluster, nil)),
		at("timeouts", func(d *Document) *Timeouts { return &d.Timeouts }, timeoutsBlock.kind()),
		at("limits", func(d *Document) *Limits { return &d.Limits }, limitsBlock.kind()),
		at("access_log", func(d *Document) *AccessLog { return &d.AccessLog }, accessLogBlock.kind()),
		at("apply", func(d *Document) *Apply { return &d.Apply }, applyBlock.kind()).optional(),
		at("request_headers", func(d *Document) *HeaderEdits { return &d.RequestHeaders },
			requestEditsBlock.kind()).optional(),
		at("response_headers", func(d *Document) *HeaderEdits { return &d.ResponseHeaders },
			responseEditsBlock.kind()).optional(),
		at("error_pages", func(d *Document) *[]ErrorPage { return &d.ErrorPages }, errorPages).optional(),
	},
}

// items is a list of the document, which grows by each part. add is told whether
// the item was read without a problem. An item that it turns down was never
// there, and neither were its problems. ahead, which may be nil, reads all items at once into the places behind the
// list, or reports that it could not.
func items[T any](
	b *block[T], add func(d *decoder, n *yaml.Node, t *T, clean bool) bool,
	ahead func(d *decoder, items []*yaml.Node, places []T) bool,
) kind[[]T] {
	k := listOf(b.kind())
	k.decode = func(d *decoder, n *yaml.Node, list *[]T) {
		if !d.isKind(n, yaml.SequenceNode) {
			return
		}
		*list = slices.Grow(*list, likelyItems(n))
		isRead := ahead != nil && ahead(d, n.Content, (*list)[len(*list):cap(*list)])
		for i, c := range n.Content {
			t := spare(list)
			kept, total := len(d.problems), d.total
			d.enterItem(i)
			if !isRead {
				b.decode(d, c, t)
			}
			keep := false
			switch clean := d.total == total; {
			case d.lenient && !clean:
			case add(d, c, t, clean):
				keep = clean || !d.isFull() // else the document is refused, whatever is in the list
			default:
				d.problems, d.total = d.problems[:kept], total
			}
			if keep {
				*list = (*list)[:len(*list)+1]
			} else {
				var zero T
				*t = zero
			}
			d.leave()
		}
	}
	return k
}

// spare is the place behind the last item of a list, without a value, as all between its length and its capacity. An
// item is read where it will be, since it may be large.
func spare[T any](list *[]T) *T {
	n := len(*list)
	if n == cap(*list) {
		var zero T
		*list = append(*list, zero)[:n]
	}
	return &(*list)[:n+1][n]
}

// likelyItems counts the items that have the two keys which any needs, so that a list of next to nothing makes no room.
func likelyItems(n *yaml.Node) int {
	count := 0
	for _, c := range n.Content {
		if c.Kind == yaml.MappingNode && len(c.Content) >= 4 {
			count++
		}
	}
	return count
}
