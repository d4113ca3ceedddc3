package route

import (
	"errors"
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Explanation is the route that a request takes, and why, as /explain shows it.
type Explanation struct {
	Revision string `json:"revision"`
	Method   string `json:"method"`
	Host     string `json:"host"` // as it is matched: lower case, no port
	Path     string `json:"path"` // as it is matched: uniform, no query
	Listener string `json:"listener"`

	Route        *RouteWon        `json:"route"`                // null: none, the response is 404
	Access       *AccessInForce   `json:"access"`               // null: everybody may
	Others       []RouteLost      `json:"others"`               // in the order in which they are tried, at most maxLost
	More         int              `json:"more"`                 // others that are not listed
	RateLimit    string           `json:"rate_limit,omitempty"` // how many requests pass; empty = all
	UpstreamPath string           `json:"upstream_path"`        // as the endpoint gets it; empty = as it came
	Reply        *ReplyOfRoute    `json:"reply"`                // null: the route has clusters
	Headers      []HeaderEdit     `json:"headers"`              // in the order in which they are edited
	ErrorPages   []PageInForce    `json:"error_pages"`          // of the document, by status
	Clusters     []ClusterShare   `json:"clusters"`
	Mirror       string           `json:"mirror"` // how many requests are copied, and where to; empty = none
	Timeouts     []config.Setting `json:"timeouts"`
	Retries      *RetriesInForce  `json:"retries"` // null without a cluster
}

// RouteWon is the route that a request takes, and what of it matched.
type RouteWon struct {
	Name       string `json:"name"`
	Host       string `json:"host"`                 // the one that fits, as the route has it; empty = any
	HostMatch  string `json:"host_match"`           // exact, wildcard or any
	Path       string `json:"path,omitempty"`       // of these three the route has one
	PathRegex  string `json:"path_regex,omitempty"` //
	PathPrefix string `json:"path_prefix,omitempty"`
	Conditions
}

// ReplyOfRoute is what a route answers itself.
type ReplyOfRoute struct {
	Status      int    `json:"status"`
	Location    string `json:"location,omitempty"` // of a redirect
	ContentType string `json:"content_type,omitempty"`
	Bytes       int    `json:"bytes"` // of its body
}

// PageInForce is what the gateway's own responses of a status, or of a class, have for a body.
type PageInForce struct {
	Status      string `json:"status"`
	ContentType string `json:"content_type"`
	Bytes       int    `json:"bytes"`
}

// HeaderEdit is what becomes of the fields of one name. The value may be a secret.
type HeaderEdit struct {
	Of   string `json:"of"`   // request or response
	Edit string `json:"edit"` // remove, set or add
	Name string `json:"name"`
	From string `json:"from"` // document or route
}

// RouteLost is a route that a request does not take.
type RouteLost struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // a plain sentence without its full stop
}

// ClusterShare is a cluster of the route, and the weight by which requests are drawn for it.
type ClusterShare struct {
	Share       int    `json:"share"`
	StickyBy    string `json:"sticky_by,omitempty"`     // with sticky: the cookie with which clients stay here
	Stays       bool   `json:"stays,omitempty"`         // the request has that cookie
	StandsInFor string `json:"stands_in_for,omitempty"` // the cluster of the route that fails over to it now
	SlowStart   string `json:"slow_start,omitempty"`    // where the document says it
	HashBy      string `json:"hash_by,omitempty"`       // with balance hash: what decides
	HashTo      string `json:"hash_to,omitempty"`       // the endpoint it leads to; empty = any
	cluster.Status
}

// RetriesInForce is how many attempts a request gets, and why.
type RetriesInForce struct {
	Attempts      int      `json:"attempts"` // in all
	On            []string `json:"on"`
	PerTryTimeout string   `json:"per_try_timeout"`
	From          string   `json:"from"`
}

// maxLost is how many routes are listed that a request does not take: those that it might have come first.
const maxLost = 20

// Words for a route's host.
const (
	hostExact    = "exact"
	hostWildcard = "wildcard"
	hostAny      = "any"
)

// errClimbs: the request is answered with 400, whatever the routes are.
var errClimbs = errors.New("its path climbs above the root or ends inside an encoding, which is answered with 400")

// Explain tells which route the request takes by the table, and why the others lose. lim bounds the parser of requests.
// base is what the document was read with. bound tells where a listener is bound, empty for nowhere. The error says
// what is wrong with q. Safe from any goroutine.
func (t *Table) Explain(
	q ExplainRequest, lim *http1.Limits, base config.Base, bound func(listener string) string,
) (*Explanation, error) {
	h, err := q.head(lim)
	if err != nil {
		return nil, err
	}
	listener, err := t.listener(&q, bound)
	if err != nil {
		return nil, err
	}
	source, err := source(q.Source)
	if err != nil {
		return nil, err
	}
	name, err := q.name()
	if err != nil {
		return nil, err
	}
	path, _, ok := config.NormalPath(h.Path, nil)
	if !ok {
		return nil, fmt.Errorf("url %q: %w", q.URL, errClimbs)
	}
	e := &Explanation{
		Revision: t.Revision, Method: string(h.Method), Host: string(hostname(h.Authority, nil)), Path: string(path),
		Listener: listener,
		Headers:  []HeaderEdit{}, Clusters: []ClusterShare{}, Timeouts: []config.Setting{},
		ErrorPages: []PageInForce{},
	}
	for i := range t.errorPages {
		p := &t.errorPages[i]
		e.ErrorPages = append(e.ErrorPages, PageInForce{p.Status, p.ContentType, len(p.Body)})
	}
	a := asked{
		head: h, path: path, listener: listener, remote: source, anywhere: !source.IsValid(), work: new(Workspace),
	}
	rt, others := t.router.explain(&a)
	if a.anywhere && rt != nil && len(rt.wants.source) > 0 {
		return nil, fmt.Errorf("source: say from which address the client comes, such as 10.1.2.3: "+
			"route %s is not for all networks", rt.Name)
	}
	e.More = max(0, len(others)-maxLost)
	e.Others = make([]RouteLost, 0, len(others)-e.More)
	for _, o := range others[:len(others)-e.More] {
		e.Others = append(e.Others, RouteLost{o.Name, o.why(rt, &a)})
	}
	if rt != nil {
		e.take(rt, t, h, q.client(), base)
		e.Access = rt.explainAccess(source, name)
		e.Headers = append(e.Headers, t.headerEdits(rt)...)
	}
	return e, nil
}

// take tells of the route that h takes.
func (e *Explanation) take(rt *Route, t *Table, h *message.Head, client *Client, base config.Base) {
	m := &rt.Config.Match
	host := rt.hostFor([]byte(e.Host))
	e.Route = &RouteWon{
		Name: rt.Name, Host: host, HostMatch: hostMatch(host), Path: m.Path, PathRegex: m.PathRegex,
		PathPrefix: m.PathPrefix, Conditions: rt.wants.explain(),
	}
	e.RateLimit = rt.Config.RateLimit.String()
	if rt.reply != nil {
		e.Reply = rt.reply.explain()
		if rt.reply.Redirect {
			d := Decision{Route: rt, normal: []byte(e.Path)}
			e.Reply.Location = string(d.AppendLocation(nil, h, client))
		}
		return
	}
	var reply *LocalReply
	if e.UpstreamPath, reply = rt.explainPath(h, e.Path); reply != nil {
		e.Reply = &ReplyOfRoute{Status: reply.Status}
		return
	}
	if rt.mirror != nil {
		e.Mirror = rt.Config.Mirror.String()
	}
	for i := range rt.upstream {
		w := &rt.upstream[i]
		s := w.explain(h)
		rt.explainSticky(&s, w, h)
		e.Clusters = append(e.Clusters, s)
		if other := w.up.serving(); other != w.up {
			s := (&weighted{up: other, weight: w.weight}).explain(h)
			s.StandsInFor = w.up.Cluster.Name()
			e.Clusters = append(e.Clusters, s)
		}
	}
	e.Timeouts = rt.Config.EffectiveTimeouts(t.Timeouts, base, IsGRPC(h))
	e.Retries = &RetriesInForce{
		Attempts: rt.Retry.Attempts, On: rt.Config.Retries.On, PerTryTimeout: config.DurationText(rt.Retry.PerTry),
		From: config.OriginRoute,
	}
	if rt.Retry.Failover {
		e.Retries.On, e.Retries.From = []string{config.RetryConnectFailure}, config.OriginDefault
	}
}

// explainPath is the path of h as the route rewrites it, empty where it does not. The reply is for a path that is
// refused. normal is the normalised path.
func (rt *Route) explainPath(h *message.Head, normal string) (string, *LocalReply) {
	d := Decision{Route: rt, normal: []byte(normal)}
	if reply := d.rewritePath(h, d.normal, new(Workspace)); reply != nil {
		return "", reply
	}
	path, _ := d.AppendPath(nil, h)
	return string(path), nil
}

// headerEdits lists what a route edits of heads.
func (t *Table) headerEdits(rt *Route) (all []HeaderEdit) {
	list := func(of, from string, c *config.HeaderEdits) {
		for _, name := range c.Remove {
			all = append(all, HeaderEdit{of, "remove", name, from})
		}
		for i := range c.Set {
			all = append(all, HeaderEdit{of, "set", c.Set[i].Name, from})
		}
		for i := range c.Add {
			all = append(all, HeaderEdit{of, "add", c.Add[i].Name, from})
		}
	}
	if rt.reply == nil {
		list("request", config.OriginDocument, t.requestHeaders)
		list("request", config.OriginRoute, &rt.Config.RequestHeaders)
	}
	list("response", config.OriginDocument, t.responseHeaders)
	list("response", config.OriginRoute, &rt.Config.ResponseHeaders)
	return all
}

// explain tells of the reply of a route.
func (r *LocalReply) explain() *ReplyOfRoute {
	reply := &ReplyOfRoute{Status: r.Status}
	if own := r.Own; !r.Redirect && len(own.Body) > 0 {
		reply.ContentType, reply.Bytes = string(own.ContentType), len(own.Body)
	}
	return reply
}

// explainSticky tells of the cookie that has clients stay at w.
func (rt *Route) explainSticky(s *ClusterShare, w *weighted, h *message.Head) {
	if rt.sticky != nil {
		s.StickyBy = rt.sticky.name + "=" + string(w.value[:])
		s.Stays = rt.staysAt(h) == w
	}
}

// explain tells of a cluster of the route that h takes.
func (w *weighted) explain(h *message.Head) ClusterShare {
	c := w.up.Cluster
	s := ClusterShare{
		Share: w.weight, Status: c.Status(), HashBy: c.Config().Hash.String(), SlowStart: c.Config().OwnSlowStart(),
	}
	if k := w.up.Hash; k != nil && k.by != bySource { // who asks is not the client
		d := Decision{}
		if key := k.of(h, nil, &d); d.cookies == nil {
			s.HashTo = c.HashedTo(key)
		}
	}
	return s
}

func hostMatch(host string) string {
	if host == "" {
		return hostAny
	}
	if _, wild := config.WildcardSuffix(host); wild {
		return hostWildcard
	}
	return hostExact
}
