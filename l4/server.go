package l4

import (
	"context"
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

	// Inherit asks the other plane for a second handle on its listening socket of that address, nil if it has none. So
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

	listeners  *netio.ListenerSet[settings]
	conns      atomic.Uint32 // connections so far
	handshakes *mtls.Handshakes
	pipes      *netio.Pipes

	connections
}

// New returns a server without listeners. ctx cuts everything when it ends; it or Drain ends the watch.
func New(ctx context.Context, o Options) *Server {
	s := &Server{
		registry: o.Registry, logger: o.Logger, limit: o.Limit, log: o.Log, dial: o.Dial,
		handshakes: mtls.NewHandshakes(mtls.MaxHandshakes), pipes: netio.NewPipes(o.Limit),
		connections: connections{
			live: map[*conn]struct{}{}, wake: make(chan struct{}, 1), watched: make(chan struct{}),
		},
	}
	if s.dial == nil {
		s.dial = netio.Dialer(o.Limit)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.listeners = s.newListeners(o.Inherit)
	go s.watch(s.ctx)
	return s
}

// Listener tells of the listener with that name. It tells where it is bound (the port is the kernel's choice where the
// document says 0) and how many connections it has. Safe from any goroutine.
func (s *Server) Listener(name string) (address string, connections int64, ok bool) {
	l := s.listeners.Find(func(set *settings) bool { return set.name == name })
	if l == nil {
		return "", 0, false
	}
	return l.Addr().String(), l.Settings().tele.Active.Load(), true
}

// Share gives a second handle on the listening socket that is bound to address, nil if there is none. It is the
// caller's to close. For the applying goroutine.
func (s *Server) Share(address string) *netio.Listener { return s.listeners.Share(address) }

// panicked notes a panic that ended one connection only.
func (s *Server) panicked(p any, stack []byte) {
	s.registry.Panics.Recovered(telemetry.L4, s.logger, "a connection", p, stack)
}
