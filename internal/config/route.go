package config

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Route sends the requests that match to one or several clusters.
type Route struct {
	Name      string
	Match     Match
	Listeners []string          // names, sorted; none = every HTTP listener
	Clusters  []WeightedCluster // one or more; `cluster: x` is one of weight 1
	Sticky    Sticky            // of a split

	EndpointHost  bool   // preserve_host: false. The upstream's Host is the endpoint's address, else the inbound Host
	HostRewrite   string // wins over both when set
	PrefixRewrite string // replaces the matched prefix when set; "/" or without trailing slash
	RegexRewrite  RegexRewrite

	Timeouts  RouteTimeouts
	Retries   Retries
	Upgrades  []string // protocols that may be upgraded to, lower-case; default websocket
	Allow     Access   // who may use the route; nobody named = everybody
	Deny      Access   // who may not, whatever Allow says
	RateLimit RateLimit
	BasicAuth BasicAuth

	ExternalAuth ExternalAuth

	RequestHeaders  HeaderEdits // of the request as it goes to the endpoint; behind those of the document
	ResponseHeaders HeaderEdits // of the response as it goes to the client; behind those of the document

	Mirror Mirror // where copies of the requests go

	Redirect Redirect // in place of Clusters
	Respond  Respond  // in place of Clusters
}

// Forwards tells whether the route sends requests to clusters.
func (r *Route) Forwards() bool { return r.Redirect.Status == 0 && r.Respond.Status == 0 }

// Restricted tells whether not everybody may use the route.
func (r *Route) Restricted() bool {
	return r.Allow.Given() || r.Deny.Given() || r.BasicAuth.File != "" || r.ExternalAuth.Cluster != ""
}

var routeBlock = block[Route]{
	fields: []field[Route]{
		at("name", func(r *Route) *string { return &r.Name }, name),
		at("match", func(r *Route) *Match { return &r.Match }, matchBlock.kind()),
		at("listeners", func(r *Route) *[]string { return &r.Listeners },
			listOf(listenerName).then(checkListeners)).optional(),
		at("cluster", func(r *Route) *[]WeightedCluster { return &r.Clusters }, oneCluster).when((*Route).single),
		at("clusters", func(r *Route) *[]WeightedCluster { return &r.Clusters }, weightedClusters).when((*Route).split),
		at("sticky", func(r *Route) *Sticky { return &r.Sticky }, stickyBlock.kind()).optional(),
		at("preserve_host", func(r *Route) *bool { return &r.EndpointHost }, not(flag)).optional(),
		at("host_rewrite", func(r *Route) *string { return &r.HostRewrite }, authority.or("")).optional(),
		at("prefix_rewrite", func(r *Route) *string { return &r.PrefixRewrite }, pathRewrite.or("")).optional(),
		at("regex_rewrite", func(r *Route) *RegexRewrite { return &r.RegexRewrite }, regexRewriteBlock.kind()).
			optional(),
		at("timeouts", func(r *Route) *RouteTimeouts { return &r.Timeouts }, routeTimeoutsBlock.kind()).
			when((*Route).Forwards),
		at("retries", func(r *Route) *Retries { return &r.Retries }, retriesBlock.kind()).when(retried),
		at("upgrades", func(r *Route) *[]string { return &r.Upgrades }, upgrades).when((*Route).Forwards),
		at("allow", func(r *Route) *Access { return &r.Allow }, accessBlock.kind()).optional(),
		at("deny", func(r *Route) *Access { return &r.Deny }, accessBlock.kind()).optional(),
		at("rate_limit", func(r *Route) *RateLimit { return &r.RateLimit }, rateLimitBlock.kind()).optional(),
		at("basic_auth", func(r *Route) *BasicAuth { return &r.BasicAuth }, basicAuthBlock.kind()).optional(),
		at("external_auth", func(r *Route) *ExternalAuth { return &r.ExternalAuth },
			externalAuthBlock.kind()).optional(),
		at("request_headers", func(r *Route) *HeaderEdits { return &r.RequestHeaders },
			requestEditsBlock.kind()).optional(),
		at("response_headers", func(r *Route) *HeaderEdits { return &r.ResponseHeaders },
			responseEditsBlock.kind()).optional(),
		at("mirror", func(r *Route) *Mirror { return &r.Mirror }, mirrorBlock.kind()).optional(),
		at("redirect", func(r *Route) *Redirect { return &r.Redirect }, redirectBlock.kind()).optional(),
		at("respond", func(r *Route) *Respond { return &r.Respond }, respondBlock.kind()).optional(),
	},
	begin: func(d *decoder, r *Route) {
		r.Match.PathPrefix = "/"
		r.Timeouts.Upstream = d.doc.Timeouts.Upstream
		r.Timeouts.Write = d.doc.Timeouts.Write
		r.Retries.Attempts = 1
		r.Upgrades = []string{"websocket"}
	},
	end: func(d *decoder, n *yaml.Node, r *Route) {
		d.checkTarget(n)
		d.checkSticky(n, r)
		if has(n, "prefix_rewrite") && has(n, "regex_rewrite") {
			d.problem(n, "want one of prefix_rewrite and regex_rewrite (seen both)")
		}
		if r.Match.PathRegex != "" {
			const text = "only path_prefix and path have a part to replace (the route has path_regex)"
			if has(n, "prefix_rewrite") {
				d.problemIn(n, "prefix_rewrite", text)
			}
			if r.Redirect.PrefixRewrite != "" {
				d.enter("redirect")
				d.problemIn(valueOf(n, "redirect"), "prefix_rewrite", text)
				d.leave()
			}
		}
	},
}

// targets are what a route does with a request: one of them.
var targets = []string{"cluster", "clusters", "redirect", "respond"}

// forwarding are keys of a route that say how requests go to a cluster.
var forwarding = []string{
	"sticky", "preserve_host", "host_rewrite", "prefix_rewrite", "regex_rewrite", "timeouts", "retries", "upgrades",
	"request_headers", "mirror",
}

func (d *decoder) checkTarget(n *yaml.Node) {
	var seen []string
	for _, key := range targets {
		if has(n, key) {
			seen = append(seen, key)
		}
	}
	if len(seen) != 1 {
		d.problem(n, "want exactly one of %s (seen %s)", strings.Join(targets, ", "),
			either(len(seen) == 0, "none", strings.Join(seen, " and ")))
		return
	}
	if strings.HasPrefix(seen[0], "cluster") {
		return
	}
	for _, key := range forwarding {
		if has(n, key) {
			d.problemIn(n, key, "a route with %s sends nothing to a cluster, so it has no %s", seen[0], key)
		}
	}
}

// addRoute takes a route into the document. What the bootstrap adds gives way
// to one of the same name, or that matches the same.
func (d *decoder) addRoute(n *yaml.Node, r *Route, clean bool) bool {
	hosts, rest := r.Match.hostsOrAny(), r.matchedBesidesHost()
	for _, host := range hosts {
		if first, taken := d.matches[matchKey{host, rest}]; d.isTaken(first, taken) {
			return false
		}
	}
	if d.nameTaken("routes", r.Name) {
		return false
	}
	d.claim(n, "routes", r.Name)
	if !clean { // who knows what it was to match
		return true
	}
	for _, host := range hosts {
		key := matchKey{host, rest}
		if first, taken := d.matches[key]; taken {
			d.problem(n, "another route matches just the same%s (%s)",
				either(len(hosts) > 1, " for "+host, ""), d.at(first))
			continue
		}
		d.matches[key] = d.here(n)
	}
	if s := valueOf(n, "sticky"); s != nil {
		path := append(slices.Clone(d.path), step{key: "sticky"})
		d.stickies = append(d.stickies, declaredSticky{place: d.here(s), route: len(d.doc.Routes), path: path, node: s})
	}
	return true
}

// matchedBesidesHost is the same for two routes of which, for one host, only the first could ever match.
func (r *Route) matchedBesidesHost() string {
	var b strings.Builder
	r.Match.conditions(&b)
	for _, l := range r.Listeners {
		b.WriteString("\n\n" + l)
	}
	return b.String()
}

func checkListeners(d *decoder, n *yaml.Node, names *[]string) {
	if len(*names) == 0 {
		d.problem(n, "want at least one listener, leave listeners out for all (seen an empty list)")
	}
	d.onlyOnce(n, *names)
	for i, l := range *names {
		if p := d.protocols[l]; p != ProtocolHTTP && p != "" {
			d.enterItem(i)
			d.problem(n.Content[i], "listener %s has no routes (its protocol is %s)", l, p)
			d.leave()
		}
	}
	slices.Sort(*names)
}

// not turns a flag around, so that the zero value can mean true.
func not(k kind[bool]) kind[bool] {
	return kind[bool]{
		decode: func(d *decoder, n *yaml.Node, v *bool) {
			is := !*v
			k.decode(d, n, &is)
			*v = !is
		},
		encode: func(e *encoder, v *bool) { e.bool(!*v) },
	}
}

// upgrades is a list of protocols. h2c is none of them: it would change what
// speaks on the connection behind the gateway's back.
var upgrades = listOf(text(func(s string) (string, error) {
	s = strings.ToLower(s)
	name, version, versioned := strings.Cut(s, "/")
	switch {
	case !isToken(name) || versioned && !isToken(version):
		return "", errors.New("want a protocol such as websocket")
	case name == "h2c":
		return "", errors.New("h2c is never passed on as an upgrade")
	}
	return s, nil
})).then(func(d *decoder, n *yaml.Node, v *[]string) { d.onlyOnce(n, *v) })

// isToken knows the bytes of methods, field names and protocols (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
