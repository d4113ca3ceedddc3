package route

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/access"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Route is one compiled route: everything a request needs to know is resolved. Immutable, but for what is counted.
type Route struct {
	Name      string
	Config    *config.Route
	Telemetry *telemetry.Route
	Retry     RetryPolicy
	Request   *Edits // of requests towards endpoints
	Response  *Edits // of responses towards clients

	Faults telemetry.Faults // of requests that this very table has decided

	prefix   string         // of its paths, without its last slash; "" is "/". With an exact path that
	pattern  *regexp.Regexp // of whole paths; nil: it goes by prefix or an exact path
	wants    conditions
	upstream []weighted
	total    int           // sum of the weights
	sticky   *Cookie       // names the cluster at which a client stays; nil: each request is drawn
	access   *access.Rules // nil: everybody may
	rate     *rateLimit    // nil: none
	auth     *basicAuth    // nil: no password is asked for
	external *externalAuth // nil: nobody else is asked
	mirror   *Mirror       // nil: its requests are not copied
	reply    *LocalReply   // what it answers itself; nil: it forwards
	rewrite  *regexRewrite
	upgrades []string // protocols that may be upgraded to, lower case
}

// compileRoute resolves the names of c, and changes nothing of o. What it cannot resolve is a fault of the validation
// before it.
func compileRoute(c *config.Route, o *Options) (*Route, error) {
	rt, err := compileMatch(c)
	if err != nil {
		return nil, fmt.Errorf("route %q: %w", c.Name, err)
	}
	if err := rt.compileEdits(c, o); err != nil {
		return nil, fmt.Errorf("route %q: %w", c.Name, err)
	}
	if rt.rewrite, err = compileRewrite(&c.RegexRewrite); err != nil {
		return nil, fmt.Errorf("route %q: regex_rewrite: %w", c.Name, err)
	}
	if rt.auth, err = compileBasicAuth(&c.BasicAuth, o.Passwords); err != nil {
		return nil, fmt.Errorf("route %q: %w", c.Name, err)
	}
	if rt.external, err = compileExternalAuth(c, o); err != nil {
		return nil, fmt.Errorf("route %q: %w", c.Name, err)
	}
	if rt.mirror, err = rt.compileMirror(o); err != nil {
		return nil, fmt.Errorf("route %q: %w", c.Name, err)
	}
	rt.access, rt.reply = access.New(c.Allow, c.Deny), ownReply(c)
	rt.Retry, rt.rate = compileRetry(&c.Retries), o.Previous.rateLimit(c)
	if unknown := rt.compileSplit(c, o.Upstreams); unknown != "" {
		return nil, fmt.Errorf("route %q: cluster %q is not defined", c.Name, unknown)
	}
	return rt, nil
}

func (rt *Route) compileEdits(c *config.Route, o *Options) (err error) {
	fixed := [config.VariableCount]string{
		config.VarRoute: c.Name, config.VarRevision: o.Document.Revision, config.VarService: o.Service,
		config.VarInstance: o.Instance,
	}
	if rt.Request, err = compileEdits(&fixed, &o.Document.RequestHeaders, &c.RequestHeaders); err != nil {
		return err
	}
	rt.Response, err = compileEdits(&fixed, &o.Document.ResponseHeaders, &c.ResponseHeaders)
	return err
}

// compileMatch is a route that does nothing yet but match.
func compileMatch(c *config.Route) (rt *Route, err error) {
	rt = &Route{
		Name: c.Name, Config: c, upgrades: c.Upgrades,
		prefix: cmp.Or(c.Match.Path, strings.TrimSuffix(c.Match.PathPrefix, "/")),
	}
	if rt.wants, err = compileConditions(c); err != nil {
		return nil, err
	}
	if c.Match.PathRegex != "" {
		if rt.pattern, err = config.CompileWhole(c.Match.PathRegex, false); err != nil {
			return nil, fmt.Errorf("path_regex: %w", err)
		}
	}
	return rt, nil
}

// mayUpgrade tells whether the route passes an upgrade to the protocols in offer, a list as Upgrade has it.
func (rt *Route) mayUpgrade(offer []byte) bool {
	ok := false
	all := message.EachElement(offer, func(p []byte) bool {
		ok = slices.ContainsFunc(rt.upgrades, func(u string) bool { return message.EqualFold(p, u) })
		return ok
	})
	return all && ok
}
