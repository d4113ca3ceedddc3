package sidecar

import (
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// view is what the admin port shows of the sidecar.
func (s *Sidecar) view() View {
	return View{
		Ready: s.notReady, Note: s.note, Status: s.status, Config: s.config, Drain: s.Drain, Explain: s.explain,
		Failures: s.failures, LogLevel: s.level.set,
	}
}

// notReady says why the sidecar should get no traffic, a sentence each.
func (s *Sidecar) notReady() []string {
	if s.draining.Load() {
		return []string{"draining: the gateway is about to stop"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.now.doc == nil && s.now.status.LastRejected != nil:
		return append([]string{"no revision serves: the first one was rejected"}, s.now.status.LastRejected.Reasons...)
	case s.now.doc == nil:
		return []string{"no revision serves yet"}
	case s.now.phase == phaseFallback && len(s.now.doc.Routes) == 0 && !forwards(s.now.doc):
		reasons := []string{"no routes: the bootstrap has none, and " + s.now.waiting}
		if rejected := s.now.status.LastRejected; rejected != nil {
			reasons = append(reasons, rejected.Reasons...)
		}
		return reasons
	case s.now.phase == phaseCurrent && s.now.status.Source != string(SourceEnv) &&
		time.Since(s.started) < responsesWithin:
		var reasons []string
		for _, service := range s.now.unanswered {
			reasons = append(reasons, "no endpoints received yet: service "+service)
		}
		return reasons
	}
	return nil
}

// note is what to know of a sidecar that is ready; empty = nothing.
func (s *Sidecar) note() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.phase != phaseRestored {
		return ""
	}
	why := "has delivered nothing yet"
	if s.now.status.LastRejected != nil {
		why = "has a document that was rejected"
	}
	return fmt.Sprintf("serves revision %s from the state directory, as it was %s ago: %s %s", s.now.status.ID,
		time.Since(s.now.asOf).Round(time.Second), s.boot.Source, why)
}

// revisionAge is how old the state is that serves; negative while it does not.
func (s *Sidecar) revisionAge() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.phase != phaseRestored {
		return -1
	}
	return time.Since(s.now.asOf)
}

// responsesWithin is for how long after the start the sidecar is not ready because the catalog has said nothing of a
// service yet.
const responsesWithin = 10 * time.Second

// forwards tells whether a document has a listener that needs no route.
func forwards(doc *config.Document) bool {
	for i := range doc.Listeners {
		if doc.Listeners[i].L4() {
			return true
		}
	}
	return false
}

func (s *Sidecar) config() *config.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.doc
}

func (s *Sidecar) explain(q route.ExplainRequest) (*route.Explanation, error) {
	if s.config() == nil {
		return nil, errNoRevision // there need not even be a data plane
	}
	return s.proxy.Explain(q, s.boot.Base())
}

func (s *Sidecar) status() Status {
	s.mu.Lock()
	doc, rev, revisions := s.now.doc, s.now.revisionStatus(), s.now.history.records()
	s.mu.Unlock()
	st := Status{
		Version: Built(), Service: s.boot.Service, Instance: s.boot.Instance, Started: s.started,
		Draining: s.draining.Load(),
		Source:   s.boot.Source, Revision: rev, Revisions: revisions,
		Clusters: s.clusters(doc), Rates: s.registry.Rates(), Panics: s.registry.Panics.Status(),
		Certificates: s.certs.Status(), PasswordFiles: s.users.Status(),
		State: s.state.Status(), Settings: s.settings, Verdict: s.ack.Status(),
	}
	st.Discovery = append(st.Discovery, s.source.Status())
	st.Discovery = append(st.Discovery, s.catalog.Status()...)
	if s.registrar != nil {
		st.Discovery = append(st.Discovery, s.registrar.Status())
	}
	if doc != nil {
		st.Listeners = s.listeners(doc)
		st.Routes, st.RoutesTotal = routes(doc), len(doc.Routes)
	}
	if s.log != nil {
		st.LogError, st.LogReopenError = s.log.Failure(), s.log.NotReopened()
	}
	if err := s.consul.TokenFault(); err != nil {
		st.TokenError = err.Error()
	}
	st.Limits = s.limits()
	return st
}

// clusters tells of the clusters of the document that serves: others may be in preparation, or serve what began before.
func (s *Sidecar) clusters(doc *config.Document) []cluster.Status {
	if doc == nil {
		return nil
	}
	named := make(map[string]bool, len(doc.Clusters))
	for i := range doc.Clusters {
		named[doc.Clusters[i].Name] = true
	}
	return slices.DeleteFunc(s.set.Status(), func(c cluster.Status) bool { return !named[c.Name] })
}

// listeners tells of the addresses that are accepted on, in the document's order.
func (s *Sidecar) listeners(doc *config.Document) []ListenerStatus {
	var all []ListenerStatus
	for i := range doc.Listeners {
		l := &doc.Listeners[i]
		st := ListenerStatus{Name: l.Name, Address: l.Address, Protocol: l.Protocol, TLS: l.TLS.Enabled(),
			Cluster: l.Cluster}
		if addr, active, ok := s.listener(l); ok {
			st.Address, st.Connections = addr, active
		}
		all = append(all, st)
	}
	return all
}

// listener asks the plane that l belongs to.
func (s *Sidecar) listener(l *config.Listener) (address string, connections int64, ok bool) {
	if l.L4() {
		return s.l4.Listener(l.Name)
	}
	return s.proxy.Listener(l.Name)
}
