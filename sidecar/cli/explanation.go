package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// explanation tells people where a request would go, then what holds for it, then why it goes nowhere else.
func explanation(to io.Writer, e *route.Explanation) error {
	columns := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	w := lineWriter{columns}
	fmt.Fprintf(w, "request\t%s %s%s%s\n", e.Method, e.Host, e.Path, when(e.Listener != "", " on listener "+e.Listener))
	if e.Route == nil {
		fmt.Fprintf(w, "route\tnone: the response is 404 with the flag NR\n")
	} else {
		explanationRoute(w, e)
	}
	if len(e.ErrorPages) > 0 {
		statuses := make([]string, len(e.ErrorPages))
		for i := range e.ErrorPages {
			statuses[i] = e.ErrorPages[i].Status
		}
		fmt.Fprintf(w, "error pages\t%s\tfrom document\n", strings.Join(statuses, ", "))
	}
	if len(e.Others) > 0 {
		fmt.Fprintln(w, "other routes, in the order in which they are tried:")
	}
	for _, o := range e.Others {
		fmt.Fprintf(w, "  %s\t%s\n", o.Name, o.Reason)
	}
	if e.More > 0 {
		fmt.Fprintf(w, "  and %d more\n", e.More)
	}
	return columns.Flush()
}

func explanationRoute(w io.Writer, e *route.Explanation) {
	fmt.Fprintf(w, "route\t%s: %s (revision %s)\n", e.Route.Name, matched(e.Route), e.Revision)
	explanationAccess(w, e.Access)
	if e.RateLimit != "" {
		fmt.Fprintf(w, "rate limit\t%s\n", e.RateLimit)
	}
	if r := e.Reply; r != nil {
		fmt.Fprintf(w, "reply\t%d by the route itself%s%s\n", r.Status, when(r.Location != "", ", to "+r.Location),
			when(r.Bytes > 0, ", "+sidecar.Count(r.Bytes, "byte")+" of "+r.ContentType))
	}
	if e.UpstreamPath != "" {
		fmt.Fprintf(w, "upstream path\t%s\n", e.UpstreamPath)
	}
	explanationHeaders(w, e.Headers)
	if e.Reply != nil {
		return
	}
	total, stays := 0, false
	for i := range e.Clusters {
		if c := &e.Clusters[i]; c.StandsInFor == "" {
			total += c.Share
			stays = stays || c.Stays
		}
	}
	for i := range e.Clusters {
		c := &e.Clusters[i]
		explanationCluster(w, c, drawn(c, total, stays))
	}
	if e.Mirror != "" {
		fmt.Fprintf(w, "mirror\t%s, without its responses\n", e.Mirror)
	}
	for _, s := range e.Timeouts {
		fmt.Fprintf(w, "timeout %s\t%s\tfrom %s\n", s.Name, orNone(s.Value), s.From)
	}
	if r := e.Retries; r != nil {
		fmt.Fprintf(w, "attempts\tat most %d\tfrom %s: retry on %s%s\n", r.Attempts, r.From, strings.Join(r.On, ", "),
			when(r.PerTryTimeout != noTime, ", each within "+r.PerTryTimeout))
	}
}

// explanationAccess says who may, and whether the client may. a may be nil.
func explanationAccess(w io.Writer, a *route.AccessInForce) {
	if a == nil {
		return
	}
	verdict := "let in" + when(a.BasicAuth != nil, " with a password") +
		when(a.ExternalAuth != nil, ", if another service says so")
	switch {
	case a.Refused != "":
		verdict = "refused with 403 (AC): " + a.Refused
	case len(a.Unsaid) > 0:
		verdict = "depends on who asks: say --" + strings.Join(a.Unsaid, " and --")
	}
	fmt.Fprintf(w, "access\t%s\n", verdict)
	for _, row := range []struct {
		what  string
		words []string
		more  int
	}{
		{"deny source", a.Deny.Sources, a.Deny.MoreSources},
		{"deny identity", a.Deny.Identities, a.Deny.MoreIdentities},
		{"allow source", a.Allow.Sources, a.Allow.MoreSources},
		{"allow identity", a.Allow.Identities, a.Allow.MoreIdentities},
	} {
		if len(row.words) > 0 {
			fmt.Fprintf(w, "  %s\t%s%s\n", row.what, strings.Join(row.words, ", "),
				when(row.more > 0, fmt.Sprintf(" and %d more", row.more)))
		}
	}
	if b := a.BasicAuth; b != nil {
		fmt.Fprintf(w, "  basic_auth\t%s (%s), realm %s\n", b.File, sidecar.Count(b.Users, "user"), b.Realm)
	}
	if x := a.ExternalAuth; x != nil {
		fmt.Fprintf(w, "  external_auth\tcluster %s, path %s, within %s, on error %s\n", x.Cluster, x.Path, x.Timeout,
			x.OnError)
	}
}

// explanationHeaders has a line for each head and origin.
func explanationHeaders(w io.Writer, edits []route.HeaderEdit) {
	for len(edits) > 0 {
		first, n := edits[0], 0
		var words []string
		for ; n < len(edits) && edits[n].Of == first.Of && edits[n].From == first.From; n++ {
			words = append(words, edits[n].Edit+" "+edits[n].Name)
		}
		fmt.Fprintf(w, "%s headers\t%s\tfrom %s\n", first.Of, strings.Join(words, ", "), first.From)
		edits = edits[n:]
	}
}

// matched says by what a route was taken.
func matched(r *route.RouteWon) string {
	parts := []string{"any host", "prefix " + r.PathPrefix}
	switch {
	case r.Path != "":
		parts[1] = "path " + r.Path
	case r.PathRegex != "":
		parts[1] = "path_regex " + r.PathRegex
	}
	if r.Host != "" {
		parts[0] = "host " + r.Host + " (" + r.HostMatch + ")"
	}
	return strings.Join(append(parts, r.Texts()...), ", ")
}

// drawn says how often requests go to c. stays: this one goes where its cookie says.
func drawn(c *route.ClusterShare, total int, stays bool) string {
	switch {
	case c.Stays:
		return ", where the cookie " + c.StickyBy + " has its client stay"
	case stays:
		return when(c.StandsInFor == "", ", where its client does not stay")
	}
	return when(c.Share != total, fmt.Sprintf(", for %d in %d requests", c.Share, total)) +
		when(c.StickyBy != "", ", where the cookie "+c.StickyBy+" has clients stay")
}

func explanationCluster(w io.Writer, c *route.ClusterShare, share string) {
	used := 0
	for i := range c.Endpoints {
		if c.Endpoints[i].Unused == "" {
			used++
		}
	}
	fmt.Fprintf(w, "cluster %s\t%d of %s used%s%s%s%s%s\n", c.Name, used, sidecar.Count(len(c.Endpoints), "endpoint"),
		unfollowed(&c.Status),
		share,
		when(c.HashBy != "", ", chosen by "+c.HashBy)+when(c.HashTo != "", ": "+c.HashTo),
		preferring(&c.Status)+failover(c)+failing(&c.Status)+
			when(c.SlowStart != "", ", slow start "+c.SlowStart), when(used == 0 && failingOver(&c.Status) == "", ": "+
			when(c.Unknown, "requests wait for endpoints as long as for a connection, then ")+
			"the response is 503 with the flag UH"))
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		fmt.Fprintf(w, "  %s\tweight %d\t%s\n", e.Address, e.Weight, endpointUse(e))
	}
}

// failover says for which cluster the cluster stands in, or which one does for it.
func failover(c *route.ClusterShare) string {
	switch f := c.Failover; {
	case c.StandsInFor != "":
		return ", stands in for " + c.StandsInFor
	case f != nil && f.Active != "":
		return failingOver(&c.Status)
	case f != nil:
		return ", fails over to " + strings.Join(f.Order, ", ")
	}
	return ""
}

func endpointUse(e *cluster.EndpointStatus) string {
	state := e.State + when(e.Reason != "", " ("+e.Reason+")")
	switch e.Unused {
	case "":
		return state
	case e.Reason:
		return "not used: " + state
	}
	return "not used: " + e.Unused
}

// noTime is a duration that is none.
const noTime = "0s"

func orNone(duration string) string {
	if duration == noTime {
		return "none"
	}
	return duration
}

// unfollowed says what the cluster follows where the catalog has no instance of it.
func unfollowed(c *cluster.Status) string {
	without := strings.HasSuffix(c.Follows, ": no response yet") || strings.HasSuffix(c.Follows, ": not in the catalog")
	return when(without, " ("+c.Follows+")")
}
