package sidecar

import (
	"fmt"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// What is here is the content of last-good.json.

// origin says whose state it is: another gateway's is of no use.
type origin struct {
	Service string `json:"service"`
	Source  Source `json:"source"`
	From    string `json:"from"` // key or path of the document
}

func (b *Bootstrap) origin() origin {
	o := origin{Service: b.Service, Source: b.Source}
	switch b.Source {
	case SourceConsul:
		o.From = b.ConsulKey
	case SourceFile:
		o.From = b.Config
	case SourceEnv, SourceAuto:
	}
	return o
}

// foreign says whose state it is.
func (o origin) foreign(kept origin) error {
	return fmt.Errorf("%s is not used: it is of service %s, source %s %s, and this is service %s, source %s %s",
		lastGoodFile, kept.Service, kept.Source, kept.From, o.Service, o.Source, o.From)
}

// lastGood is what serves, as the file has it. It is never edited once it was handed over.
type lastGood struct {
	Origin    origin             `json:"origin"`
	AsOf      time.Time          `json:"as_of"`              // when the source last said that it is so
	Document  *keptDocument      `json:"document,omitempty"` // nil where the environment is all there is
	Location  keptLocation       `json:"location,omitzero"`  // where the agent said that it is
	Endpoints []keptEndpoints    `json:"endpoints"`
	Ejections []cluster.Ejection `json:"ejections"`
}

// keptDocument is the document as it was delivered.
type keptDocument struct {
	Revision   string     `json:"revision"`
	NamedBy    string     `json:"named_by,omitempty"` // the version of the gateway that found out which revision it is
	Hash       string     `json:"hash"`
	Name       string     `json:"name,omitempty"`
	Index      uint64     `json:"index,omitempty"`
	Forced     time.Time  `json:"forced,omitzero"`
	AcceptedAt time.Time  `json:"accepted_at"`
	OnTrial    bool       `json:"on_trial,omitempty"` // its trial was not over
	Parts      []keptPart `json:"parts"`
}

type keptPart struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

func keepDocument(d discovery.Document, revision string, at time.Time) *keptDocument {
	if len(d.Parts) == 0 {
		return nil
	}
	k := &keptDocument{
		Revision: revision, NamedBy: Built().Version, Hash: d.Hash, Name: d.Name, Index: d.Index, Forced: d.Forced,
		AcceptedAt: at,
	}
	for _, p := range d.Parts {
		k.Parts = append(k.Parts, keptPart{p.Name, string(p.Data)})
	}
	return k
}

// decode reads the document, whose parts are given, with its trees if trees has them. Which revision it is was found
// out when it was kept, by the same program.
func (k *keptDocument) decode(parts []config.Part, base config.Base, trees *config.Trees) (*config.Document, error) {
	if k.NamedBy != Built().Version {
		return config.DecodeParts(parts, base)
	}
	return config.DecodeKnown(parts, base, k.Revision, trees)
}

func (k *keptDocument) document() discovery.Document {
	d := discovery.Document{Source: sourceState, Hash: k.Hash, Name: k.Name, Index: k.Index, Forced: k.Forced}
	for _, p := range k.Parts {
		d.Parts = append(d.Parts, config.Part{Name: p.Name, Data: []byte(p.Text)})
	}
	return d
}

// size is that of its text, in bytes.
func (k *keptDocument) size() (n int) {
	for _, p := range k.Parts {
		n += len(p.Text)
	}
	return n
}

// keptLocation is what the agent said of where it runs; the zero value: nothing. What the bootstrap says is not in it.
type keptLocation struct {
	Node       string `json:"node"`
	Datacenter string `json:"datacenter,omitempty"`
	Zone       string `json:"zone,omitempty"`
}

// keepLocation leaves out the zone of the bootstrap, which the next start may not have.
func keepLocation(l cluster.Location, bootZone string) keptLocation {
	k := keptLocation{Node: l.Node, Datacenter: l.Datacenter}
	if bootZone == "" {
		k.Zone = l.Zone
	}
	return k
}

// keptEndpoints are the last instances that the catalog had for a query.
type keptEndpoints struct {
	Query       consul.Query   `json:"query"`
	ConfirmedAt time.Time      `json:"confirmed_at"`
	HeldUntil   time.Time      `json:"held_until,omitzero"` // the catalog has none any more; they are used until then
	Instances   []keptInstance `json:"instances"`
}

// keptInstance is a cluster.Instance with its state in a word.
type keptInstance struct {
	Address string   `json:"address"`
	Weight  int      `json:"weight"`
	State   string   `json:"state"`
	ID      string   `json:"id"`
	Node    string   `json:"node"`
	Zone    string   `json:"zone,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

func keepInstances(all []cluster.Instance) []keptInstance {
	kept := make([]keptInstance, len(all))
	for i, in := range all {
		kept[i] = keptInstance{in.Address, in.Weight, in.State.String(), in.ID, in.Node, in.Zone, in.Tags}
	}
	return kept
}

// instances leaves out what no longer makes sense.
func (k *keptEndpoints) instances() []cluster.Instance {
	var all []cluster.Instance
	for _, in := range k.Instances {
		state, known := cluster.ParseState(in.State)
		address, err := config.EndpointAddress(in.Address)
		if !known || err != nil {
			continue
		}
		all = append(all, cluster.Instance{
			Address: address, Weight: in.Weight, State: state, ID: in.ID, Node: in.Node, Zone: in.Zone, Tags: in.Tags,
		})
	}
	return all
}
