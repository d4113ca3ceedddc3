package netio

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// Bound is an address that a plane listens on, from the revision that brings it to the first one that does not name it.
// S is what revisions say about it, which may change meanwhile.
type Bound[S any] struct {
	key      string // what it is known by from revision to revision
	ln       *Listener
	settings atomic.Pointer[S]
}

// Addr is where it is bound: the port is the kernel's choice where the document says 0. Safe from any goroutine.
func (b *Bound[S]) Addr() net.Addr { return b.ln.Addr() }

// Settings are those of the revision that serves. Safe from any goroutine.
func (b *Bound[S]) Settings() *S { return b.settings.Load() }

// ListenerSetOptions are what a ListenerSet is made of. All but Inherit must be set.
type ListenerSetOptions[S any] struct {
	Limit *Limit
	// Same tells whether two addresses are one, however they are written.
	Same func(a, b string) bool
	// Inherit asks another plane for a second handle on its listening socket of that address, nil if it has none. So
	// an address can change its protocol in one revision. See [ListenerSet.Share] for the way back.
	Inherit func(address string) *Listener
	// Serve begins to serve a connection. It must not block, and owes Limit a Release.
	Serve func(b *Bound[S], nc net.Conn)
	// Report is told of errors of accepting that pass, and as a [PanicError] of a panic of Serve.
	Report func(b *Bound[S], err error)
}

// ListenerSet is the addresses that one plane listens on. Prepare, Share, and what a plan is asked to do are the
// applying goroutine's; the rest is safe from any.
type ListenerSet[S any] struct {
	ctx     context.Context // accepting ends with it
	o       ListenerSetOptions[S]
	serving atomic.Pointer[map[string]*Bound[S]] // by key; never edited, a commit stores a new one
}

// NewListenerSet returns a set without addresses. Nothing is accepted any more once ctx has ended.
func NewListenerSet[S any](ctx context.Context, o ListenerSetOptions[S]) *ListenerSet[S] {
	s := &ListenerSet[S]{ctx: ctx, o: o}
	s.serving.Store(&map[string]*Bound[S]{})
	return s
}

// Wanted is a listener of a revision, by its name and address in the document.
type Wanted[S any] struct {
	Name, Address string
	Settings      *S // nil: it is another plane's
}

// key is what a listener is known by: its address, or, where the kernel chooses the port, its name with it.
func (w *Wanted[S]) key() string {
	if anyPort(w.Address) {
		return w.Name + " " + w.Address
	}
	return w.Address
}

func anyPort(address string) bool { return strings.HasSuffix(address, ":0") }

// Key is what a listener is known by from revision to revision, however a document writes its address.
func (s *ListenerSet[S]) Key(name, address string) string {
	w := Wanted[S]{Name: name, Address: address}
	if b := s.find(w.key()); b != nil {
		return b.key
	}
	return w.key()
}

// ListenerPlan is a revision's listeners, with the new ones bound. [ListenerPlan.Update] and then [ListenerPlan.Serve]
// it, or Abort it.
type ListenerPlan[S any] struct {
	set      *ListenerSet[S]
	keep     map[string]*Bound[S] // by key: all of the revision
	opened   []*Bound[S]          // those that are new
	settings map[*Bound[S]]*S
}

// Prepare binds the addresses that are new, if need be beside those that are about to be closed. Nothing is accepted
// from them yet. all has every listener of the revision, of whichever plane. On an error nothing is left bound.
func (s *ListenerSet[S]) Prepare(all []Wanted[S]) (*ListenerPlan[S], error) {
	p := &ListenerPlan[S]{set: s, keep: map[string]*Bound[S]{}, settings: map[*Bound[S]]*S{}}
	for i := range all {
		w := &all[i]
		if w.Settings == nil {
			continue
		}
		b := s.find(w.key())
		if b == nil {
			ln, err := s.bind(w.Address, s.leavers(all))
			if err != nil {
				p.Abort()
				return nil, fmt.Errorf("listener %q: %w", w.Name, err)
			}
			b = &Bound[S]{key: w.key(), ln: ln}
			p.opened = append(p.opened, b)
		}
		p.keep[b.key] = b
		p.settings[b] = w.Settings
	}
	return p, nil
}

// find returns what listens under that key already, however it is written.
func (s *ListenerSet[S]) find(key string) *Bound[S] {
	serving := *s.serving.Load()
	if b := serving[key]; b != nil || anyPort(key) {
		return b
	}
	for k, b := range serving {
		if s.o.Same(k, key) {
			return b
		}
	}
	return nil
}

// leavers are the sockets of the listeners that the revision does not name.
func (s *ListenerSet[S]) leavers(all []Wanted[S]) []*Listener {
	var list []*Listener
	for k, b := range *s.serving.Load() {
		if !s.names(all, k) {
			list = append(list, b.ln)
		}
	}
	return list
}

func (s *ListenerSet[S]) names(all []Wanted[S], key string) bool {
	for i := range all {
		if all[i].key() == key || s.o.Same(all[i].Address, key) {
			return true
		}
	}
	return false
}

func (s *ListenerSet[S]) bind(address string, leavers []*Listener) (*Listener, error) {
	if s.o.Inherit != nil {
		if ln := s.o.Inherit(address); ln != nil {
			return ln, nil
		}
	}
	return Listen(s.ctx, address, leavers)
}

// Settings are what the revision says about each of its listeners. The map must not be changed.
func (p *ListenerPlan[S]) Settings() map[*Bound[S]]*S { return p.settings }

// Update makes the settings visible to the listeners that stay.
func (p *ListenerPlan[S]) Update() {
	for b, set := range p.settings {
		b.settings.Store(set)
	}
}

// Serve begins to accept from the listeners that are new, and ends those that the revision does not name. Connections
// that were accepted live on.
func (p *ListenerPlan[S]) Serve() {
	s := p.set
	for _, b := range p.opened {
		b.ln.Start(s.ctx, s.o.Limit, func(nc net.Conn) { s.o.Serve(b, nc) }, func(err error) { s.o.Report(b, err) })
	}
	for k, b := range *s.serving.Swap(&p.keep) {
		if p.keep[k] == nil {
			b.ln.Close()
		}
	}
}

// Abort closes what Prepare has bound. What serves never noticed.
func (p *ListenerPlan[S]) Abort() {
	for _, b := range p.opened {
		b.ln.Close()
	}
}

// Find returns the listener whose settings match, nil if there is none.
func (s *ListenerSet[S]) Find(match func(*S) bool) *Bound[S] {
	for _, b := range *s.serving.Load() {
		if match(b.Settings()) {
			return b
		}
	}
	return nil
}

// Share gives a second handle on the listening socket that is bound to address, nil if there is none. It is the
// caller's to close.
func (s *ListenerSet[S]) Share(address string) *Listener {
	if anyPort(address) {
		return nil
	}
	if b := s.find(address); b != nil {
		return b.ln.Share()
	}
	return nil
}

// Close ends accepting, everywhere at once: each listener takes a moment for what has connected already.
func (s *ListenerSet[S]) Close() {
	var closing sync.WaitGroup
	for _, b := range *s.serving.Load() {
		closing.Go(b.ln.Close)
	}
	closing.Wait()
}
