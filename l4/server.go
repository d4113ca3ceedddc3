package l4

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Options are what a Server is made of. Registry, Logger and Limit are shared with the other plane and must be set.
type Options struct {
	Registry *telemetry.Registry
	Logger   hclog.Logger
	Limit    *netio.Limit
	Log      *telemetry.AccessLog // nil: no access log, whatever the document says
	Dial     netio.DialFunc       // nil = plain TCP

	// Inherit asks the other plane for a second handle on its listening socket of that address, nil if it has none: so
	// an address can change its protocol in one revision. May be nil. See [Server.Share] for the way back.
	Inherit func(address string) *netio.Listener
}

// Server is the L4 data plane: the listeners and the connections they carry.
type Server struct {
	ctx    context.Context // ends with Drain: cuts what is still waiting
	cancel context.CancelFunc

	registry *telemetry.Registry
	logger   hclog.Logger
	limit    *netio.Limit
	log      *telemetry.AccessLog
	dial     netio.DialFunc
	inherit  func(address string) *netio.Listener

	conns      atomic.Uint32 // connections so far
	panics     atomic.Int64  // connections that have panicked
	handshakes *mtls.Handshakes
	pipes      *pipes

	listeners atomic.Pointer[map[string]*listener] // by key; never edited, the applying goroutine stores a new one

	mu      sync.Mutex // guards the rest
	live    map[*conn]struct{}
	looks   uint32        // of the watch, so far
	open    int           // connections accepted: those of live, and those about to end
	idle    chan struct{} // closed when draining and none is open; nil before
	wake    chan struct{} // holds one token when the first connection came while the watch was resting
	watched chan struct{} // closed when the watch has ended
}

// New returns a server without listeners. ctx cuts everything when it ends; it or Drain ends the watch.
func New(ctx context.Context, o Options) *Server {
	s := &Server{
		registry: o.Registry, logger: o.Logger, limit: o.Limit, log: o.Log, dial: o.Dial, inherit: o.Inherit,
		handshakes: mtls.NewHandshakes(handshakesAtOnce), pipes: newPipes(),
		live: map[*conn]struct{}{}, wake: make(chan struct{}, 1), watched: make(chan struct{}),
	}
	if s.dial == nil {
		s.dial = netio.Dialer()
	}
	s.listeners.Store(&map[string]*listener{})
	s.ctx, s.cancel = context.WithCancel(ctx)
	go s.watch()
	return s
}

// track takes c among the live connections.
func (s *Server) track(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[c] = struct{}{}
	s.open++
	if len(s.live) == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// unwatch hides c from the watch and from a cut: its end has begun.
func (s *Server) unwatch(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
}

// gone is the very end of a connection.
func (s *Server) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.idle != nil && s.open == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// Listener tells of the listener with that name: where it is bound (the port is the kernel's choice where the document
// says 0) and how many connections it has. Safe from any goroutine.
func (s *Server) Listener(name string) (address string, connections int64, ok bool) {
	for _, l := range *s.listeners.Load() {
		if set := l.settings.Load(); set.name == name {
			return l.ln.Addr().String(), set.tele.Active.Load(), true
		}
	}
	return "", 0, false
}

// Share gives a second handle on the listening socket that is bound to address, nil if there is none. It is the
// caller's to close.
func (s *Server) Share(address string) *netio.Listener {
	l := s.find(address)
	if l == nil {
		return nil
	}
	return l.ln.Share()
}

// Panics is how many times something of a connection has panicked since the start. Safe from any goroutine.
func (s *Server) Panics() int64 { return s.panics.Load() }

// panicked notes a panic that ended one connection only.
func (s *Server) panicked(p any, stack []byte) {
	s.panics.Add(1)
	s.logger.Error("BUG: panic in a connection", "panic", p, "stack", string(stack))
}
