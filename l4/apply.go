package l4

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Plan is a revision that is ready to serve: its settings are compiled and its new listeners are bound. Commit or Abort
// it.
type Plan struct {
	s        *Server
	keep     map[string]*listener // by key: every listener of the revision
	opened   []*listener          // those that are new
	settings map[*listener]*settings
}

// Prepare does all of a revision that can go wrong; nothing of it is visible yet. clusters has every cluster of doc,
// certs what it needs for TLS. Prepare, Commit and Abort belong to one goroutine.
func (s *Server) Prepare(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (*Plan, error) {
	p := &Plan{s: s, keep: map[string]*listener{}, settings: map[*listener]*settings{}}
	var log *telemetry.LogFormat
	if doc.AccessLog.Enabled && s.log != nil {
		log = telemetry.NewLogFormat(doc.AccessLog.Fields)
	}
	for i := range doc.Listeners {
		c := &doc.Listeners[i]
		if !c.L4() {
			continue
		}
		set, err := s.compile(c, doc, clusters, certs)
		if err != nil {
			p.Abort()
			return nil, fmt.Errorf("listeners[%d]: %w", i, err)
		}
		set.log = log
		l := (*s.listeners.Load())[key(c)]
		if l == nil {
			l = s.find(c.Address)
		}
		if l == nil {
			if l, err = s.bind(c, s.leavers(doc)); err != nil {
				p.Abort()
				return nil, err
			}
			p.opened = append(p.opened, l)
		}
		p.keep[l.key] = l
		p.settings[l] = set
	}
	return p, nil
}

// key is what a listener is known by from revision to revision: its address, or, where the kernel chooses the port, its
// name with it.
func key(c *config.Listener) string {
	if anyPort(c.Address) {
		return c.Name + " " + c.Address
	}
	return c.Address
}

func anyPort(address string) bool { return strings.HasSuffix(address, ":0") }

// leavers are the sockets of the listeners that doc does not name.
func (s *Server) leavers(doc *config.Document) []*netio.Listener {
	var all []*netio.Listener
	for k, l := range *s.listeners.Load() {
		if !slices.ContainsFunc(doc.Listeners, func(c config.Listener) bool { return key(&c) == k || config.SameAddress(c.Address, k) }) {
			all = append(all, l.ln)
		}
	}
	return all
}

// find returns the listener that is bound to the address already, however it is written.
func (s *Server) find(address string) *listener {
	if anyPort(address) {
		return nil
	}
	for k, l := range *s.listeners.Load() {
		if config.SameAddress(k, address) {
			return l
		}
	}
	return nil
}

// Commit makes the revision visible. Listeners that it does not name stop accepting; their connections live on.
func (p *Plan) Commit() {
	for l, set := range p.settings {
		l.settings.Store(set)
	}
	for _, l := range p.opened {
		l.start()
	}
	for k, l := range *p.s.listeners.Swap(&p.keep) {
		if p.keep[k] == nil {
			l.ln.Close()
		}
	}
}

// Abort closes what Prepare has opened. The old revision never noticed.
func (p *Plan) Abort() {
	for _, l := range p.opened {
		l.ln.Close()
	}
}
