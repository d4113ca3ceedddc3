package mtls

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/filewatch"
	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// Options are the settings of a Set; the zero value is good.
type Options struct {
	// Logger hears of new, broken and mended files; nil = nobody does.
	Logger hclog.Logger
	// Protocols is the ALPN list of HTTP listeners, in order of preference; nil = h2,
	// then http/1.1.
	Protocols []string
	// Unwatched leaves files alone once they are read, except on Reload.
	Unwatched bool
}

// Set holds every identity and all roots that the process uses, watches their
// files, and gives servers and clients made of them. There is one in a process.
// All methods are safe from any goroutine; those that read files may take as
// long as the disk takes.
type Set struct {
	log       hclog.Logger
	protocols []string
	watcher   *filewatch.Watcher // nil: files are left alone
	status    atomic.Pointer[[]Status]

	mu sync.Mutex // guards also all sources, and publishing
	// +checklocks:mu
	sources map[sourceKey]*source
	// +checklocks:mu
	servers map[string]*Server
	// +checklocks:mu
	clients map[string]*Client
	// +checklocks:mu
	closed bool
}

// NewSet makes an empty Set. Close it at the end of the process.
func NewSet(o Options) *Set {
	s := &Set{
		log:       o.Logger,
		protocols: o.Protocols,
		sources:   map[sourceKey]*source{},
		servers:   map[string]*Server{},
		clients:   map[string]*Client{},
	}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	if s.protocols == nil {
		s.protocols = []string{"h2", "http/1.1"}
	}
	if !o.Unwatched {
		s.watcher = filewatch.New(s.Reload, s.log)
	}
	s.status.Store(&[]Status{})
	return s
}

// Prepare gives the servers and clients of a revision. What an earlier revision
// that is not closed yet has alike is the same object, with its sessions. Files
// that are known already are not read again, and stay as good as their last good
// content. The error names every setting and file that is wrong; then nothing is
// held. Otherwise the caller owes a Close.
func (s *Set) Prepare(doc *config.Document) (*Prepared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the set of identities is closed")
	}
	p := &Prepared{set: s, servers: map[string]*Server{}, clients: map[string]*Client{}}
	var problems []error
	for i := range doc.Listeners {
		l := &doc.Listeners[i]
		if !l.TLS.Enabled() {
			continue
		}
		server, err := s.server(l, fmt.Sprintf("listeners[%d].tls", i))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p.servers[l.Name] = server
	}
	for i := range doc.Clusters {
		c := &doc.Clusters[i]
		if !c.TLS.Enabled() {
			continue
		}
		client, err := s.client(c, fmt.Sprintf("clusters[%d].tls", i))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p.clients[c.Name] = client
	}
	if len(problems) > 0 {
		s.release(p)
		return nil, errors.Join(problems...)
	}
	s.follow()
	return p, nil
}

// Reload reads every file now, whether or not a change was noticed.
func (s *Set) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	s.follow()
}

// Close ends all watching and waits until it has ended. What was prepared goes
// on working with what it has.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.watcher.Close()
}

// refresh looks at every source and publishes what is new.
//
// +checklocks:s.mu
func (s *Set) refresh() {
	now := time.Now()
	fresh := map[*source]bool{}
	for _, src := range s.sources {
		switch src.refresh(now) {
		case namedfile.Replaced:
			fresh[src] = true
			next := src.onDisk.Content()
			s.log.Info("certificate file reloaded", "path", src.file,
				"subjects", shorten(next.subjects), "not_after", next.notAfter)
			if expiryOf(next.notAfter.Sub(now)) == expiryOver {
				src.told = expiryFar // a new file that has ended is worth a line of its own
			}
			s.tellExpiry(src, now)
		case namedfile.Broke:
			s.log.Warn("certificate file is broken; the last good one stays in use",
				"path", src.file, "reason", src.onDisk.Err().Error())
		case namedfile.Mended:
			s.log.Info("certificate file is whole again", "path", src.file)
		}
	}
	if len(fresh) == 0 {
		return
	}
	// A server of several fresh sources is published once, with all of them.
	for _, server := range s.servers {
		if holdsAny(fresh, server.holds) {
			server.refreshed()
		}
	}
	for _, client := range s.clients {
		if holdsAny(fresh, client.holds) {
			client.refreshed()
		}
	}
}

func holdsAny(sources map[*source]bool, holds func(*source) bool) bool {
	for src := range sources {
		if holds(src) {
			return true
		}
	}
	return false
}

// follow makes the watches and the status fit the sources.
//
// +checklocks:s.mu
func (s *Set) follow() {
	s.watcher.Follow(s.files())
	s.status.Store(s.describe())
}

// files are the paths to watch.
//
// +checklocks:s.mu
func (s *Set) files() []string {
	var all []string
	for _, src := range s.sources {
		all = append(all, src.files()...)
	}
	return all
}
