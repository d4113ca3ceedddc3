package proxy

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/healthcheck"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Options are what a Server is made of. Registry, Logger, Sweeper and Limit are shared with the other planes and must be set.
type Options struct {
	Registry *telemetry.Registry
	Logger   hclog.Logger
	Sweeper  *netio.Sweeper
	Limit    *netio.Limit
	Log      *telemetry.AccessLog // nil: no access log, whatever the document says
	Trusted  []netip.Prefix       // proxies whose X-Forwarded-* fields are believed
	MaxHead  int                  // bytes of a request or response head; 0 = 64 KiB
	Dial     netio.DialFunc       // nil = plain TCP
	Queue    Queue                // in front of one cluster; none by default
	// Unchecked leaves out the active checks that documents want, for runs in which nothing may happen besides requests.
	Unchecked bool

	// Inherit asks the other plane for a second handle on its listening socket of that address, nil if it has none: so an address can change its
	// protocol in one revision. May be nil. See [Server.Share] for the way back.
	Inherit func(address string) *netio.Listener
}

// Server is the L7 data plane: the listeners, the table they serve by, and the connections they carry.
type Server struct {
	ctx    context.Context // ends with Close: cuts what is still waiting
	cancel context.CancelFunc

	registry *telemetry.Registry
	logger   hclog.Logger
	sweeper  *netio.Sweeper
	limit    *netio.Limit
	log      *telemetry.AccessLog
	trusted  []netip.Prefix
	limits   http1.Limits
	dial     netio.DialFunc
	inherit  func(address string) *netio.Listener

	health *healthcheck.Checker // nil: no active checks

	table      atomic.Pointer[Table]
	conns      atomic.Uint32 // connections so far
	crashes    atomic.Int64  // requests that have panicked
	left       atomic.Int64  // when it began that answers say that their connection ends, on the sweeper's clock; 0 = not yet
	draining   atomic.Bool   // idle connections end
	handshakes *mtls.Handshakes
	workers    workers

	listeners atomic.Pointer[map[string]*listener] // by address; never edited, the applying goroutine stores a new one
	queue     *queue                               // in front of the cluster queued; nil: none
	queued    string
	budgets   map[string]*retryBudget // by cluster name; the applying goroutine's alone

	mu     sync.Mutex // guards the four below
	live   map[tracked]struct{}
	roused []*server1    // parked connections that a drain has taken over, and ends
	idle   chan struct{} // closed when draining and live is empty; nil before
	over   bool          // nothing is taken among live any more
}

// New returns a server without listeners. ctx cuts everything when it ends.
func New(ctx context.Context, o Options) *Server {
	s := &Server{
		registry: o.Registry, logger: o.Logger, sweeper: o.Sweeper, limit: o.Limit, log: o.Log, trusted: o.Trusted,
		limits: http1.DefaultLimits(), handshakes: mtls.NewHandshakes(handshakesAtOnce), dial: o.Dial, inherit: o.Inherit,
		queue: newQueue(o.Queue), queued: o.Queue.Cluster, budgets: map[string]*retryBudget{}, live: map[tracked]struct{}{},
	}
	if o.MaxHead > 0 {
		s.limits.HeadBytes = o.MaxHead
	}
	if s.dial == nil {
		s.dial = netio.Dialer()
	}
	if !o.Unchecked {
		s.health = healthcheck.New(healthcheck.Options{
			Sweeper: s.sweeper, Dial: s.dial, Limits: s.limits, Panicked: s.panickedIn("an active check"),
		})
	}
	s.listeners.Store(&map[string]*listener{})
	s.ctx, s.cancel = context.WithCancel(ctx)
	go s.workers.reap(s.ctx) // ends with the server
	return s
}

func (s *Server) budget(name string) *retryBudget {
	if s.budgets[name] == nil {
		s.budgets[name] = new(retryBudget)
	}
	return s.budgets[name]
}

func (s *Server) writeTimeout() time.Duration { return s.table.Load().timeouts.Write }

// tracked is a live connection from a client. Its methods are called with Server.mu held and must not block.
type tracked interface {
	leave() // tell the client to go elsewhere, and go on
	drain() // end, now or after what is in flight
	cut()   // end now
}

// track takes c among the live connections; false: the drain has ended.
func (s *Server) track(c tracked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.live[c] = struct{}{}
	return true
}

// retrack puts c in the place of was: the same connection, which now speaks another version. It goes on also when the server is draining.
func (s *Server) retrack(was, c tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, was)
	s.live[c] = struct{}{}
}

// untrack is the end of a connection, whose place in the limit is free again.
func (s *Server) untrack(c tracked, who *client) {
	s.mu.Lock()
	delete(s.live, c)
	if s.idle != nil && len(s.live) == 0 {
		close(s.idle)
		s.idle, s.over = nil, true
	}
	s.mu.Unlock()
	who.settings.tele.Active.Dec()
	s.limit.Release()
}

// Listener tells of the listener with that name: where it is bound (the port is the kernel's choice where the document says 0) and how many
// connections it has. Safe from any goroutine.
func (s *Server) Listener(name string) (address string, connections int64, ok bool) {
	for _, l := range *s.listeners.Load() {
		if set := l.settings.Load(); set.name == name {
			return l.ln.Addr().String(), set.tele.Active.Load(), true
		}
	}
	return "", 0, false
}

// Share gives a second handle on the listening socket that is bound to address, nil if there is none. It is the caller's to close. For the
// applying goroutine.
func (s *Server) Share(address string) *netio.Listener {
	if l := s.find(address); l != nil {
		return l.ln.Share()
	}
	return nil
}
