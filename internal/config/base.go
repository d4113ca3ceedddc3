package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Base is what the bootstrap gives to each revision. It has the defaults of what a revision leaves out, and the
// listeners, routes and clusters that are added unless the revision has its own. In these three lists a zero field
// means the default, as a key that is left out does in a document. So a weight of 0 is 1. A route's own upstream
// timeout is set in both Upstream and UpstreamGRPC. An empty base is Standard.
type Base struct {
	Timeouts  Timeouts
	Keepalive Keepalive
	Limits    Limits
	AccessLog AccessLog

	Listeners []Listener
	Routes    []Route
	Clusters  []Cluster
}

// FromBootstrap makes the revision of a base alone, as reading the same text
// would. Problems of the base are for Check to tell. What is wrong is left out here, as a route is whose cluster only
// a document can bring. This revision has to serve when there is no document.
func FromBootstrap(base Base) *Document {
	base = base.orStandard()
	d := newDecoder(nil, base)
	d.lenient = true
	d.read([]source{base.source()})
	d.doc.Revision = d.doc.hash()
	return d.doc
}

// Check finds all that is wrong with a base, of type Problems. The bootstrap
// calls it once at start; a base that passed gives no problems later but those
// that a document makes with it.
func (b Base) Check() error {
	b = b.orStandard()
	d := newDecoder(nil, b)
	d.doc.Timeouts, d.doc.Limits, d.doc.AccessLog = Standard().Timeouts, Limits{}, Standard().AccessLog
	s := b.source()
	var defaults yaml.Node
	e := encoder{}
	documentBlock.encode(&e, &Document{Timeouts: b.Timeouts, Limits: b.Limits, AccessLog: b.AccessLog})
	load(e.out, &defaults)
	for _, key := range []string{"timeouts", "limits", "access_log"} {
		s.root.Content = append(s.root.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key},
			valueOf(defaults.Content[0], key))
	}
	d.read([]source{s})
	d.checkKeepalive(b.Keepalive)
	if d.total > 0 {
		return d.sorted()
	}
	return nil
}

// checkKeepalive holds the base's default to the rules of a cluster's own.
func (d *decoder) checkKeepalive(k Keepalive) {
	var e encoder
	keepaliveBlock.encode(&e, &k)
	var doc yaml.Node
	load(e.out, &doc)
	d.enter("keepalive")
	keepaliveBlock.decode(d, doc.Content[0], &k)
	d.leave()
}

// orStandard gives the standard defaults to a base that was left empty.
func (b Base) orStandard() Base {
	standard := Standard()
	if b.Timeouts == (Timeouts{}) {
		b.Timeouts = standard.Timeouts
	}
	if b.Keepalive == (Keepalive{}) {
		b.Keepalive = standard.Keepalive
	}
	if reflect.ValueOf(b.AccessLog).IsZero() {
		b.AccessLog = standard.AccessLog
	}
	if b.AccessLog.Fields == nil {
		b.AccessLog.Fields = standard.AccessLog.Fields
	}
	return b
}

// source writes the base's lists as a document would have them and reads that:
// so one set of rules and defaults is for all.
func (b Base) source() source {
	e := encoder{sparse: true}
	documentBlock.encode(&e, &Document{Listeners: b.Listeners, Routes: b.Routes, Clusters: b.Clusters})
	var doc yaml.Node
	load(e.out, &doc)
	return source{base: true, root: doc.Content[0]}
}

// load reads text that this package wrote.
func load(text []byte, n *yaml.Node) {
	if err := yaml.Load(text, n); err != nil {
		panic("BUG: what was written is not YAML: " + err.Error())
	}
}
