package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Decode reads one document, YAML or JSON. The error is of type Problems and
// holds all that is wrong with it.
func Decode(data []byte, base Base) (*Document, error) {
	return DecodeParts([]Part{{Data: data}}, base)
}

// DecodeParts reads the documents of a folder as one: in the order of the parts'
// names the lists are put together. What else two parts set is an error.
func DecodeParts(parts []Part, base Base) (*Document, error) {
	d, sources, err := decodeParts(parts, base, 1, nil)
	if err != nil {
		return nil, err
	}
	d.doc.Revision = revisionOf(d.parts, sources)
	return d.doc, nil
}

// DecodeKnown is DecodeParts for parts of which somebody has kept what revision they are. It takes them for that, which
// saves reading them a second time. With kept, unless it is nil or of other parts, they need not be parsed either. It
// takes all processors that there are: it is for a start, when nothing else is served yet.
func DecodeKnown(parts []Part, base Base, revision string, kept *Trees) (*Document, error) {
	processors := runtime.GOMAXPROCS(0) //nolint:forbidigo // it is read, not set
	d, _, err := decodeParts(parts, base, processors, kept)
	if err != nil && kept != nil { // where in the text, the trees do not know
		d, _, err = decodeParts(parts, base, processors, nil)
	}
	if err != nil {
		return nil, err
	}
	d.doc.Revision = revision
	return d.doc, nil
}

// decodeParts reads all but the revision. kept are trees of the parts, or of others; nil: there are none.
func decodeParts(parts []Part, base Base, processors int, kept *Trees) (*decoder, []source, error) {
	parts = inOrder(parts)
	if kept != nil && (len(kept.roots) != len(parts) || kept.of != hashOf(parts)) {
		kept = nil
	}
	d := newDecoder(parts, base.orStandard())
	d.processors = processors
	var sources []source
	size, sum := 0, 0
	for i, p := range parts {
		d.part = i
		if size += len(p.Data); size > MaxDocumentBytes {
			d.problem(nil, "is larger than %d MiB", MaxDocumentBytes>>20)
			break
		}
		w := weigh(p.Data)
		if sum += w; w > allowedWeight(len(p.Data)) || sum > maxTotalWeight {
			d.problem(nil, "holds too many values for its size (about %d; at most %d in each %d KiB and %d in all "+
				"its parts)",
				sum, maxWeight, sizeUnit>>10, maxTotalWeight)
			break
		}
		if kept != nil {
			sources = append(sources, source{part: i, root: kept.roots[i]})
		} else if root := d.parse(p.Data); root != nil {
			sources = append(sources, source{part: i, root: root})
		}
	}
	if len(parts) == 0 {
		d.problem(nil, "is empty")
	}
	if d.total == 0 {
		d.read(append(slices.Clone(sources), base.source()))
	}
	if d.total > 0 {
		return nil, nil, d.sorted()
	}
	return d, sources, nil
}

// inOrder are the parts in the order of their names.
func inOrder(parts []Part) []Part {
	parts = slices.Clone(parts)
	sort.SliceStable(parts, func(i, j int) bool { return parts[i].Name < parts[j].Name })
	return parts
}

// revisionOf is the identity of what a document says itself, read on the standard base. It is the same in every
// environment, so that a check elsewhere names the revision that will serve. That it refers to what only a bootstrap
// defines is no problem here.
func revisionOf(parts []Part, sources []source) string {
	d := newDecoder(parts, Standard())
	d.checked = true
	d.read(sources)
	return d.doc.hash()
}

// hash is the identity of the content: two texts that mean the same are the
// same revision.
func (d *Document) hash() string {
	e := encoder{out: make([]byte, 0, 2*mostUnhashed), hash: sha256.New()}
	documentBlock.encode(&e, d)
	e.hash.Write(e.out)
	return hex.EncodeToString(e.hash.Sum(nil)[:6])
}

// A source is one tree to read: a part, or what the bootstrap adds.
type source struct {
	part int
	base bool
	root *yaml.Node
}

// decoder walks the trees of one revision. What must know what came before
// (names, addresses, references) is checked as it walks, so the order of
// sections matters: see readOrder.
type decoder struct {
	doc       *Document
	keepalive Keepalive // the base's, for clusters that say nothing

	checked bool // the sources were read without a problem: what only checks is left out
	lenient bool // leave out broken items, for who has nothing else to serve

	parts []Part
	part  int // the one being read

	processors int  // that parse a part, and read its routes
	forked     bool // beside others, of whose maps and document it changes nothing

	base bool // reading what the bootstrap adds
	path []step

	markedLine int // in the part that is parsed: the line with the start mark; 0 = none

	problems []found
	total    int // problems, also those that are not kept

	keysOfRoute []string // those of a route itself

	names      map[nameKey]place
	addresses  map[string]place // of listeners
	matches    map[matchKey]place
	clusters   map[string]int    // name -> index in doc.Clusters
	protocols  map[string]string // listener name -> protocol
	failovers  []declaredFailover
	ownEjected map[string]bool // clusters that say themselves how many of their endpoints may be ejected
	stickies   []declaredSticky
	regexes    int // patterns so far
	regexSteps int // of all of them
	hashed     int // clusters with balance hash so far
}

// A step of a path is a key or, without one, an index.
type step struct {
	key   string
	index int
}

// place is where something was first seen.
type place struct {
	part         int
	line, column int
	base         bool
}

func newDecoder(parts []Part, base Base) *decoder {
	return &decoder{
		doc:       &Document{Timeouts: base.Timeouts, Limits: base.Limits, AccessLog: base.AccessLog},
		keepalive: base.Keepalive,
		parts:     parts,
		addresses: make(map[string]place),
		protocols: make(map[string]string),

		ownEjected:  make(map[string]bool),
		keysOfRoute: routeBlock.keys(),
	}
}

// readOrder has what others refer to, or take defaults from, before them.
var readOrder = []string{
	"timeouts", "limits", "access_log", "apply", "request_headers", "response_headers", "error_pages", "clusters",
	"listeners", "routes",
}

// read walks the sources section by section, the bootstrap's last.
func (d *decoder) read(sources []source) {
	listeners, routes, clusters := likely(sources, "listeners"), likely(sources, "routes"), likely(sources, "clusters")
	d.names = make(map[nameKey]place, listeners+routes+clusters)
	d.matches, d.clusters = make(map[matchKey]place, routes), make(map[string]int, clusters)
	for _, s := range sources {
		d.part, d.base = s.part, s.base
		d.checkTop(s.root)
	}
	set := make(map[string]place)
	for _, key := range readOrder {
		f := documentBlock.field(key)
		for _, s := range sources {
			n := valueOf(s.root, key)
			if n == nil {
				continue
			}
			d.part, d.base = s.part, s.base
			d.enter(key)
			d.checkOnce(n, set)
			f.decode(d, n, d.doc)
			d.leave()
		}
		switch key {
		case "clusters":
			d.checkFailovers()
		case "routes":
			d.checkCookies()
		}
	}
}

// likely counts the items that a list of the sources probably has, so that room is made for them once.
func likely(sources []source, key string) (n int) {
	for _, s := range sources {
		if list := valueOf(s.root, key); list != nil {
			n += likelyItems(list)
		}
	}
	return n
}

// checkTop refuses keys that a document does not have, and keys that are there twice.
func (d *decoder) checkTop(root *yaml.Node) {
	seen := make(map[string]bool)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		switch {
		case documentBlock.find(key) < 0:
			d.unknownKey(key, documentBlock.keys)
		case seen[key.Value]:
			d.problem(key, "key %s is there twice", key.Value)
		default:
			seen[key.Value] = true
		}
	}
}

// checkOnce refuses a setting that another part has made: only lists add up.
func (d *decoder) checkOnce(n *yaml.Node, set map[string]place) {
	if n.Kind != yaml.MappingNode {
		return
	}
	section := d.pathString()
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if first, twice := set[section+"."+key.Value]; twice && first.part != d.part {
			d.problem(key, "%s is also set by another part (%s)", shown(key.Value), d.at(first))
		} else if !twice {
			set[section+"."+key.Value] = d.here(key)
		}
	}
}

func (d *decoder) enter(key string) { d.path = append(d.path, step{key: key}) }
func (d *decoder) enterItem(i int)  { d.path = append(d.path, step{index: i}) }
func (d *decoder) leave()           { d.path = d.path[:len(d.path)-1] }
func (d *decoder) here(n *yaml.Node) place {
	return place{part: d.part, base: d.base, line: n.Line, column: n.Column}
}

// at says where a place is, for the text of a problem.
func (d *decoder) at(p place) string {
	switch {
	case p.base:
		return "the bootstrap"
	case d.parts[p.part].Name != "":
		return fmt.Sprintf("%s:%d:%d", d.parts[p.part].Name, p.line, p.column)
	}
	return fmt.Sprintf("at %d:%d", p.line, p.column)
}

// pathString gives the way from the root, such as routes[2].match.host.
func (d *decoder) pathString() string {
	var b strings.Builder
	if d.base {
		b.WriteString("bootstrap.")
	}
	for i, s := range d.path {
		switch {
		case s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case i > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	if b.Len() == 0 {
		return "document"
	}
	return b.String()
}
