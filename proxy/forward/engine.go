package forward

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Options are what an Engine is made of. All but Log and Tracer must be set.
type Options struct {
	Registry *telemetry.Registry
	Logger   hclog.Logger
	Sweeper  *netio.Sweeper
	Pipes    *netio.Pipes         // for large bodies; nil: none
	Limits   http1.Limits         // of request and response heads
	Log      *telemetry.AccessLog // nil: no access log
	Tracer   *telemetry.Tracer    // nil: nothing is traced
}

// Engine is what all requests of one server share. Safe from any goroutine.
type Engine struct {
	Options

	ctx     context.Context // its end cuts what still waits
	table   atomic.Pointer[route.Table]
	leaving atomic.Bool // responses say that their connection closes
	cutting atomic.Bool // the connections of clients end, whatever is in flight
	workers workers

	passwords *cluster.Queue // in front of the checks of passwords
}

// New returns an engine without a table. When ctx ends, everything that waits is cut.
func New(ctx context.Context, o Options) *Engine {
	e := &Engine{Options: o, ctx: ctx, passwords: newPasswordQueue()}
	go e.workers.reap(ctx) // ends with ctx
	return e
}

// Table is the revision that serves now, nil before the first.
func (e *Engine) Table() *route.Table { return e.table.Load() }

// SetTable makes t the table of all requests that have not been decided yet.
func (e *Engine) SetTable(t *route.Table) { e.table.Store(t) }

// Now is the time on the sweeper's clock, in nanoseconds.
func (e *Engine) Now() int64 { return e.Sweeper.Now() }

// WriteTimeout is that of the table that serves now.
func (e *Engine) WriteTimeout() time.Duration { return e.Table().Timeouts.Write }

// Leave makes every HTTP/1.1 response from now on say that its connection closes.
func (e *Engine) Leave() { e.leaving.Store(true) }

// CutOff is called before the connections of clients are cut, at the end of a drain. What ends by that is not recorded
// as the client's doing.
func (e *Engine) CutOff() { e.cutting.Store(true) }

// Panicked counts and logs a panic that was recovered. It is a fault of ours, and must end nothing but the request, or
// the connection, in which it happened.
func (e *Engine) Panicked(p any, stack []byte) { e.PanickedIn("a request")(p, stack) }

// PanickedIn is Panicked for something other than a request.
func (e *Engine) PanickedIn(what string) func(p any, stack []byte) {
	return func(p any, stack []byte) {
		e.Registry.Panics.Recovered(telemetry.L7, e.Logger, what, p, stack)
	}
}

// recovered reports whether p, what recover() returned, is a panic, and counts and logs it.
func (e *Engine) recovered(p any) bool {
	if p == nil {
		return false
	}
	e.Panicked(p, debug.Stack())
	return true
}

// H2Options are the bounds of an HTTP/2 connection, in either direction.
func (e *Engine) H2Options(t *route.Table) http2.Options {
	return http2.Options{
		MaxHeaderBytes: e.Limits.HeadBytes, MaxFields: e.Limits.Fields,
		ReadTimeout: t.Timeouts.Read, StallTimeout: t.Timeouts.Write,
		// What an endpoint does wrong, the requests on the connection hear of and count.
		Count:    func(l http2.Limit) { e.Logger.Debug("http2 limit of an endpoint", "limit", l.String()) },
		Panicked: e.Panicked,
	}
}
