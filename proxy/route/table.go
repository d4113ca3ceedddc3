package route

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Table is one revision as the data plane reads it. Immutable, but for what is counted: it is built, stored once, and
// read by every request from then on.
type Table struct {
	Revision string
	Timeouts config.Timeouts
	MaxBody  int64                // of a request, in bytes; 0 = no limit
	Log      *telemetry.LogFormat // nil: no access log
	Sampling float64
	Slow     time.Duration    // a request that lasts this long is logged and kept; 0: none is slow
	NoRoute  *telemetry.Route // for requests that no route matched

	pages  *errorPages // nil: none
	recent *Recent     // nil: nothing is kept of requests
	inputs inputs

	router    *router
	trusted   []netip.Prefix
	upstreams map[string]*Upstream
	rates     map[string]*rateLimit // by route name, for the next revision
	listeners []string              // names of those for HTTP, in document order
	names     map[string]string     // of the listeners, by bound address; nil when no route asks for them

	// Of the document, to be explained.
	requestHeaders, responseHeaders *config.HeaderEdits
	errorPages                      []config.ErrorPage
}

// Options are what a Table is made of.
type Options struct {
	Document  *config.Document
	Upstreams map[string]*Upstream // every cluster of the document that speaks HTTP, by name
	Registry  *telemetry.Registry
	Trusted   []netip.Prefix      // proxies whose X-Forwarded-* fields are believed
	AccessLog bool                // there is one to write to
	Listeners map[string]string   // the names of the document's listeners, by the address at which they are bound
	Service   string              // the gateway's own, for variables
	Instance  string              // likewise
	Passwords *passwords.Prepared // the files of the document; may be nil where it names none
	Previous  *Table              // the revision before, whose rate limits go on; may be nil
	Recent    *Recent             // keeps the shapes of recent requests; may be nil

	Processors int // that may compile beside each other; up to 1: the others are for requests
}

// Compile builds the table of a validated document.
func Compile(o Options) (*Table, error) {
	doc := o.Document
	t := &Table{
		Revision: doc.Revision, Timeouts: doc.Timeouts, MaxBody: doc.Limits.MaxBody, Sampling: doc.AccessLog.Sampling,
		Slow:    doc.AccessLog.Slow,
		NoRoute: o.Registry.Route(""), trusted: o.Trusted, upstreams: o.Upstreams, rates: map[string]*rateLimit{},
		pages: compileErrorPages(doc.ErrorPages), errorPages: doc.ErrorPages,

		requestHeaders: &doc.RequestHeaders, responseHeaders: &doc.ResponseHeaders,
	}
	routes, err := compileRoutes(&o)
	if err != nil {
		return nil, err
	}
	for _, rt := range routes {
		rt.Telemetry = o.Registry.Route(rt.Name)
		if rt.rate != nil {
			t.rates[rt.Name] = rt.rate
		}
		if len(rt.Config.Listeners) > 0 {
			t.names = o.Listeners
		}
	}
	t.router = newRouter(routes)
	t.recent, t.inputs = o.Recent, inputsOf(routes)
	for i := range doc.Listeners {
		if l := &doc.Listeners[i]; !l.L4() {
			t.listeners = append(t.listeners, l.Name)
		}
	}
	if doc.AccessLog.Enabled && o.AccessLog {
		t.Log = telemetry.NewLogFormat(doc.AccessLog.Fields)
	}
	return t, nil
}

// leastShare is how many routes are worth a goroutine.
const leastShare = 500

// compileRoutes compiles all routes, each processor a share of them. The error is that of the first route with one.
func compileRoutes(o *Options) ([]*Route, error) {
	all := o.Document.Routes
	routes := make([]*Route, len(all))
	shares := max(min(o.Processors, len(all)/leastShare), 1)
	errs := make([]error, shares)
	compile := func(share int) {
		for i := len(all) * share / shares; i < len(all)*(share+1)/shares; i++ {
			rt, err := compileRoute(&all[i], o)
			if err != nil {
				errs[share] = fmt.Errorf("routes[%d]: %w", i, err)
				return
			}
			routes[i] = rt
		}
	}
	var others sync.WaitGroup
	for share := 1; share < shares; share++ {
		others.Go(func() { compile(share) })
	}
	compile(0)
	others.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// listenerName is what the revision calls the listener that c came to. One that it does not name keeps the name it had.
func (t *Table) listenerName(c *Client) string {
	if t.names == nil {
		return c.Listener.Name
	}
	if name, ok := t.names[c.Listener.Address]; ok {
		return name
	}
	return c.Listener.Name
}

// Faults counts the requests that the i-th route of the document has decided by this table and that ended badly. What
// was decided by another table, and ended while this one serves, is not among them.
func (t *Table) Faults(i int) *telemetry.Faults { return &t.router.routes[i].Faults }

// Uses tells whether the cluster of that name belongs to the revision.
func (t *Table) Uses(name string) bool { return t.upstreams[name] != nil }
