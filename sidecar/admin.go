package sidecar

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/netutil"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// Bounds of the admin port. Who asks is a probe, a script or a person: few, and
// with small questions.
const (
	adminConnections = 24 // with what Consul and the collector need, less than fdReserve
	adminHeadBytes   = 16 << 10
	adminRead        = 5 * time.Second
	adminWrite       = 10 * time.Second // a profile's own duration is added to it
	adminIdle        = 60 * time.Second
)

// View is what the admin port shows and does. Each is called from many goroutines
// and must not block.
type View struct {
	Ready  func() []string         // why we are not, a plain sentence each; none = ready
	Note   func() string           // what to know although we are; empty = nothing, nil = never
	Status func() Status           // Ready, Reasons and Trouble are filled in here
	Config func() *config.Document // the effective document; nil until the first serves
	Drain  func()                  // begins the drain; a second call does nothing

	// LogLevel changes the level of the gateway's log, for a time (0 = until the end), and says so in a sentence.
	LogLevel func(level string, d time.Duration) string

	// Failures are the last n requests and connections that failed or were slow; of one request id where that is given.
	Failures func(id string, n int) FailureList

	Metrics http.Handler // answers a scrape; nil: OTEL_METRICS_EXPORTER leaves that out

	// Explain tells which route a request would take. The error is errNoRevision, or
	// a sentence about the question.
	Explain func(route.ExplainRequest) (*route.Explanation, error)
}

// errNoRevision is that there is nothing to show yet.
var errNoRevision = errors.New("no revision serves yet")

// AdminOptions is what the operator chose.
type AdminOptions struct {
	Listen string       // GATEWAY_ADMIN_LISTEN: its host, too, may stand in a Host field
	Pprof  bool         // serve /debug/pprof/
	Logger hclog.Logger // nil = none
}

// Admin is the server of the admin port.
type Admin struct {
	server  http.Server
	clients adminClients
}

// NewAdmin prepares the server.
func NewAdmin(view View, o AdminOptions) *Admin {
	logger := o.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	a := &Admin{server: http.Server{
		Handler:        guard(adminRoutes(view, o.Pprof), o.Listen),
		ReadTimeout:    adminRead,
		WriteTimeout:   adminWrite,
		IdleTimeout:    adminIdle,
		MaxHeaderBytes: adminHeadBytes,
		// What net/http says is of broken connections: of interest only to who looks for it.
		ErrorLog: logger.Named("admin").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}}
	a.clients.attach(&a.server)
	return a
}

// Serve answers on l, which it closes at its end, until Shutdown is called. What
// it returns then is nil.
func (a *Admin) Serve(l net.Listener) error {
	err := a.server.Serve(netutil.LimitListener(l, adminConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends the server: what is being answered is, until ctx ends; then all
// is cut. All of the server's goroutines have their end with it.
func (a *Admin) Shutdown(ctx context.Context) error {
	if err := a.server.Shutdown(ctx); err != nil {
		return a.server.Close()
	}
	return nil
}
