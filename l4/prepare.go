package l4

import (
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Plan is a revision that is ready to serve: its settings are compiled and its new listeners are bound. Commit or Abort
// it.
type Plan struct {
	listeners *netio.ListenerPlan[settings]
	faults    []*telemetry.Faults // by listener of the document; nil for those of L7
}

// Prepare does all of a revision that can go wrong. Nothing of it is visible yet. clusters has every cluster of doc,
// certs what it needs for TLS. Prepare, Commit and Abort belong to one goroutine.
func (s *Server) Prepare(
	doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared,
) (*Plan, error) {
	var log *telemetry.LogFormat
	if doc.AccessLog.Enabled && s.log != nil {
		log = telemetry.NewLogFormat(doc.AccessLog.Fields)
	}
	wanted := make([]netio.Wanted[settings], len(doc.Listeners))
	faults := make([]*telemetry.Faults, len(doc.Listeners))
	for i := range doc.Listeners {
		c := &doc.Listeners[i]
		wanted[i] = netio.Wanted[settings]{Name: c.Name, Address: c.Address}
		if !c.L4() {
			continue
		}
		set, err := s.compile(c, doc, clusters, certs)
		if err != nil {
			return nil, fmt.Errorf("listeners[%d]: %w", i, err)
		}
		set.log = log
		wanted[i].Settings, faults[i] = set, &set.faults
	}
	listeners, err := s.listeners.Prepare(wanted)
	if err != nil {
		return nil, err
	}
	return &Plan{listeners, faults}, nil
}

// Faults count the connections of each listener of the document that were accepted under this revision and ended badly;
// nil for those of L7. They outlive the plan.
func (p *Plan) Faults() []*telemetry.Faults { return p.faults }

// Commit makes the revision visible. Listeners that it does not name stop accepting; their connections live on.
func (p *Plan) Commit() {
	p.listeners.Update()
	p.listeners.Serve()
}

// Abort closes what Prepare has opened. The old revision never noticed.
func (p *Plan) Abort() { p.listeners.Abort() }
