package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

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

	Route    *RouteWon        `json:"route"`  // null: none, the answer is 404
	Others   []RouteLost      `json:"others"` // in the order in which they are tried, at most maxLost
	More     int              `json:"more"`   // others that are not listed
	Clusters []ClusterShare   `json:"clusters"`
	Timeouts []config.Setting `json:"timeouts"`
	Retries  *RetriesInForce  `json:"retries"` // null without a route
}

// RouteWon is the route that a request takes, and what of it matched.
type RouteWon struct {
	Name       string   `json:"name"`
	Host       string   `json:"host"`       // as the route has it; empty = any
	HostMatch  string   `json:"host_match"` // exact, wildcard or any
	PathPrefix string   `json:"path_prefix"`
	Methods    []string `json:"methods"`   // one of which it is
	Headers    []string `json:"headers"`   // names of those that have the value wanted
	Listeners  []string `json:"listeners"` // one of which it came to; none = any
}

// RouteLost is a route that a request does not take.
type RouteLost struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // a plain sentence without its full stop
}

// ClusterShare is a cluster of the route, and the weight by which requests are drawn for it.
type ClusterShare struct {
	Share       int    `json:"share"`
	StandsInFor string `json:"stands_in_for,omitempty"` // the cluster of the route that fails over to it now
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

// Explain tells which route the request takes by the table, and why the others lose. lim is what the parser of
// requests is held to, base what the document was read with. The error says what is wrong with q. Safe from any
// goroutine.
func (t *Table) Explain(q ExplainRequest, lim *http1.Limits, base config.Base) (*Explanation, error) {
	h, err := q.head(lim)
	if err != nil {
		return nil, err
	}
	listener, err := t.listener(q.Listener)
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
		Clusters: []ClusterShare{}, Timeouts: []config.Setting{},
	}
	rt, others := t.router.explain(h, path, listener)
	e.More = max(0, len(others)-maxLost)
	e.Others = make([]RouteLost, 0, len(others)-e.More)
	for _, o := range others[:len(others)-e.More] {
		e.Others = append(e.Others, RouteLost{o.Name, o.why(rt, h)})
	}
	if rt != nil {
		e.take(rt, t, h, base)
	}
	return e, nil
}

// take tells of the route that h takes.
func (e *Explanation) take(rt *Route, t *Table, h *message.Head, base config.Base) {
	m := &rt.Config.Match
	e.Route = &RouteWon{
		Name: rt.Name, Host: m.Host, HostMatch: hostMatch(m.Host), PathPrefix: m.PathPrefix,
		Methods: append([]string{}, m.Methods...), Headers: []string{},
		Listeners: append([]string{}, rt.Config.Listeners...),
	}
	for _, f := range m.Headers {
		e.Route.Headers = append(e.Route.Headers, f.Name)
	}
	for _, w := range rt.upstream {
		e.Clusters = append(e.Clusters, w.explain(h))
		if other := w.up.serving(); other != w.up {
			s := (&weighted{other, w.weight}).explain(h)
			s.StandsInFor = w.up.Cluster.Name()
			e.Clusters = append(e.Clusters, s)
		}
	}
	e.Timeouts = rt.Config.EffectiveTimeouts(t.Timeouts, base, isGRPC(h))
	e.Retries = &RetriesInForce{
		Attempts: rt.Retry.Attempts, On: rt.Config.Retries.On, PerTryTimeout: config.DurationText(rt.Retry.PerTry),
		From: config.OriginRoute,
	}
	if rt.Retry.Failover {
		e.Retries.On, e.Retries.From = []string{config.RetryConnectFailure}, config.OriginDefault
	}
}

// explain tells of a cluster of the route that h takes.
func (w *weighted) explain(h *message.Head) ClusterShare {
	c := w.up.Cluster
	s := ClusterShare{Share: w.weight, Status: c.Status(), HashBy: c.Config().Hash.String()}
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

// lost is a route that a request does not take, and how far it came.
type lost struct {
	*Route
	fits  fit
	unmet condition // of a route that fits
}

// fit is what of a route fits a request, its conditions apart.
type fit int

const (
	fitsNot  fit = iota
	fitsHost     // but not the path
	fitsAll
)

// explain is match, with all other routes: first those that are tried, in that order; then those of the host; then
// the rest.
func (r *router) explain(h *message.Head, path []byte, listener string) (won *Route, others []lost) {
	var edges [maxSegments + 2]int
	won = r.match(h, path, listener, &edges, nil)
	host := hostname(h.Authority, nil)
	seen := map[*Route]bool{won: true}
	for _, rt := range r.tried(host, path) {
		if !seen[rt] {
			others = append(others, lost{rt, fitsAll, rt.unmet(h, listener)})
		}
		seen[rt] = true
	}
	tried := len(others)
	of := r.ofHosts(host)
	for _, rt := range r.routes {
		switch {
		case seen[rt]:
		case of[rt]:
			others = append(others, lost{Route: rt, fits: fitsHost})
		default:
			others = append(others, lost{Route: rt})
		}
	}
	slices.SortStableFunc(others[tried:], func(a, b lost) int {
		return cmp.Or(cmp.Compare(b.fits, a.fits), precedence(a.Route, b.Route))
	})
	return won, others
}

// ofHosts has the routes whose host fits.
func (r *router) ofHosts(host []byte) map[*Route]bool {
	all := map[*Route]bool{}
	for _, b := range r.hosts(host) {
		for _, list := range b.prefixes {
			for _, rt := range list {
				all[rt] = true
			}
		}
	}
	return all
}

// precedence is negative when a is tried before b for a request that both fit, positive when after it, and 0 when the
// document's order decides.
func precedence(a, b *Route) int {
	byPath, byConditions := cmp.Compare(segments(b), segments(a)), cmp.Compare(b.conditions(), a.conditions())
	return cmp.Or(precedenceOfHosts(a, b), byPath, byConditions)
}

func precedenceOfHosts(a, b *Route) int {
	rank := func(rt *Route) int {
		return slices.Index([]string{hostExact, hostWildcard, hostAny}, hostMatch(rt.Config.Match.Host))
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(b.Config.Match.Host), len(a.Config.Match.Host)))
}

func segments(rt *Route) int { return strings.Count(rt.prefix, "/") }

// why says in a sentence why the route is not taken, but won is (nil: none).
func (l *lost) why(won *Route, h *message.Head) string {
	m := &l.Config.Match
	switch {
	case l.fits == fitsNot && hostMatch(m.Host) == hostWildcard:
		return "the host is not below " + m.Host[len("*."):]
	case l.fits == fitsNot:
		return "the host is not " + m.Host
	case l.fits == fitsHost:
		return "the path is not " + l.prefix + ", nor below it"
	case l.unmet == methodUnmet:
		return "the method is not " + strings.Join(m.Methods, " or ")
	case l.unmet == listenerUnmet:
		return "the listener is not " + strings.Join(l.Config.Listeners, " or ")
	case l.unmet != allMet:
		return whyHeader(h, m.Headers[l.unmet].Name)
	}
	return "it fits too, but " + won.Name + " comes first: " + whyBefore(won, l.Route)
}

// whyHeader does not show the value wanted: it may be a secret.
func whyHeader(h *message.Head, name string) string {
	n := 0
	for i := range h.Fields {
		if message.EqualFold(h.Name(&h.Fields[i]), name) {
			n++
		}
	}
	switch n {
	case 0:
		return "there is no header " + name
	case 1:
		return "the header " + name + " has another value"
	}
	return "the header " + name + " has another value first, and only its first one counts"
}

// whyBefore says why won is tried before rt.
func whyBefore(won, rt *Route) string {
	switch {
	case precedenceOfHosts(won, rt) != 0:
		return "its host is more specific"
	case segments(won) != segments(rt):
		return "its prefix is longer"
	case won.conditions() != rt.conditions():
		return "it has more conditions"
	}
	return "it stands before it in the document"
}
