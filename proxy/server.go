package proxy

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/healthcheck"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Options are what a Server is made of. Registry, Logger, Sweeper and Limit are shared with the other planes and must
// be set.
type Options struct {
	Registry *telemetry.Registry
	Logger   hclog.Logger
	Sweeper  *netio.Sweeper
	Limit    *netio.Limit
	Log      *telemetry.AccessLog // nil: no access log, whatever the document says
	Tracer   *telemetry.Tracer    // nil: nothing is traced
	Trusted  []netip.Prefix       // proxies whose X-Forwarded-* fields are believed
	MaxHead  int                  // bytes of a request or response head; 0 = 64 KiB
	Dial     netio.DialFunc       // nil = plain TCP
	Queue    Queue                // in front of one cluster; none by default
	// Passwords are the files that routes ask passwords by; nil = the server reads them itself, once.
	Passwords *passwords.Set
	Service   string // the gateway's own name and id, for variables in header edits
	Instance  string
	// Unchecked leaves out the active checks that documents want, for runs in which nothing may happen besides
	// requests.
	Unchecked bool

	// Inherit asks the other plane for a second handle on its listening socket of that address, nil if it has none. So
	// an address can change its protocol in one revision. May be nil. See [Server.Share] for the way back.
	Inherit func(address string) *netio.Listener
}

// Server is the L7 data plane: the listeners, the table they serve by, and the connections they carry.
type Server struct {
	ctx    context.Context // ends with Close: cuts what is still waiting
	cancel context.CancelFunc
	engine *forward.Engine

	trusted    []netip.Prefix
	service    string
	instance   string
	dial       netio.DialFunc
	health     *healthcheck.Checker // nil: no active checks
	handshakes *mtls.Handshakes
	pipes      *netio.Pipes
	recent     *route.Recent
	conns      atomic.Uint32 // connections so far

	listeners *netio.ListenerSet[settings]
	queue     *cluster.Queue // in front of the cluster queued; nil: none
	queued    string
	passwords *passwords.Set
	asked     *passwords.Prepared             // of the revision that serves; the applying goroutine's alone
	budgets   map[string]*cluster.RetryBudget // by cluster name; the applying goroutine's alone
	copies    map[string]*route.Copies        // likewise

	connections
}

// New returns a server without listeners. ctx cuts everything when it ends.
func New(ctx context.Context, o Options) *Server {
	limits := http1.DefaultLimits()
	if o.MaxHead > 0 {
		limits.HeadBytes = o.MaxHead
	}
	s := &Server{
		trusted: o.Trusted, service: o.Service, instance: o.Instance, dial: o.Dial,
		handshakes: mtls.NewHandshakes(mtls.MaxHandshakes), pipes: netio.NewPipes(o.Limit), recent: new(route.Recent),
		queue: cluster.NewQueue(cluster.QueueOptions{
			Concurrency: o.Queue.Concurrency, Timeout: o.Queue.Timeout,
		}),
		passwords: o.Passwords, queued: o.Queue.Cluster, budgets: map[string]*cluster.RetryBudget{},
		copies:      map[string]*route.Copies{},
		connections: connections{limit: o.Limit, live: map[tracked]struct{}{}},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.engine = forward.New(s.ctx, forward.Options{
		Registry: o.Registry, Logger: o.Logger, Sweeper: o.Sweeper, Pipes: s.pipes, Limits: limits, Log: o.Log,
		Tracer: o.Tracer,
	})
	if s.passwords == nil {
		s.passwords = passwords.NewSet(passwords.Options{Logger: o.Logger, Unwatched: true})
	}
	if s.dial == nil {
		s.dial = netio.Dialer(o.Limit)
	}
	if !o.Unchecked {
		s.health = healthcheck.New(healthcheck.Options{
			Sweeper: o.Sweeper, Dial: s.dial, Limits: limits, Panicked: s.engine.PanickedIn("an active check"),
		})
	}
	s.listeners = s.newListeners(o.Inherit)
	return s
}

// Queue protects one cluster from more requests at a time than it can serve. The zero value protects none.
type Queue struct {
	Cluster     string
	Concurrency int           // requests at a time; 0 = no limit
	Timeout     time.Duration // the longest wait for a place; 0 = none waits
}

// Explain tells which route a request would take by the table that serves now, and why the others lose. base is what
// the document was read with. The error says what is wrong with the request. Safe from any goroutine once a revision
// serves.
func (s *Server) Explain(q route.ExplainRequest, base config.Base) (*route.Explanation, error) {
	return s.engine.Table().Explain(q, &s.engine.Limits, base, func(listener string) string {
		address, _, _ := s.Listener(listener)
		return address
	})
}

// Listener tells of the listener with that name. That is where it is bound (the port is the kernel's choice where the
// document says 0) and how many connections it has. Safe from any goroutine.
func (s *Server) Listener(name string) (address string, connections int64, ok bool) {
	l := s.listeners.Find(func(set *settings) bool { return set.Name == name })
	if l == nil {
		return "", 0, false
	}
	return l.Addr().String(), l.Settings().Telemetry.Active.Load(), true
}

// Share gives a second handle on the listening socket that is bound to address, nil if there is none. It is the
// caller's to close. For the applying goroutine.
func (s *Server) Share(address string) *netio.Listener { return s.listeners.Share(address) }
