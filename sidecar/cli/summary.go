package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// report writes a status for people. A fact is in one line of it only, although several parts of a status may have it.
type report struct {
	io.Writer
	trouble []string
	said    []string // the lines that tell what is wrong
}

// summary tells people of a status: the state first, then what is wrong, then
// the parts.
func summary(to io.Writer, s *sidecar.Status) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	r := &report{Writer: lineWriter{w}, trouble: s.Trouble}
	r.head(s)
	r.revision(s)
	r.limits(&s.Limits)
	for _, l := range s.Listeners {
		fmt.Fprintf(r, "listener %s\t%s\t%s%s\t%s%s\n", l.Name, l.Address, l.Protocol, when(l.TLS, " over TLS"),
			sidecar.Count(int(l.Connections), "connection"), when(l.Draining, ", draining"))
	}
	for _, sick := range []bool{true, false} { // those in trouble first
		for i := range s.Clusters {
			if c := &s.Clusters[i]; r.sick(c.Name) == sick {
				r.cluster(c)
			}
		}
	}
	if err := w.Flush(); err != nil { // the columns below are others: paths may be long
		return err
	}
	for _, c := range s.Certificates {
		r.once(fmt.Sprintf("certificate %s\tuntil %s", c.Path, date(c.NotAfter)))
	}
	for _, f := range s.PasswordFiles {
		fmt.Fprintf(r, "password file %s\t%s\n", f.Path, sidecar.Count(f.Users, "user"))
	}
	return w.Flush()
}

// once writes a line, unless it is there already.
func (r *report) once(line string) {
	if !slices.Contains(r.said, line) {
		r.said = append(r.said, line)
		fmt.Fprintln(r, line)
	}
}

// reasons writes those that are not there yet, below the line that they belong to.
func (r *report) reasons(all []string) {
	for _, reason := range all {
		r.once("  " + reason)
	}
}

// tells whether a line that was written has an error, and of what.
func (r *report) tells(failure, of string) bool {
	name := regexp.MustCompile(regexp.QuoteMeta(of) + `($|[^\w.-])`)
	return slices.ContainsFunc(r.said, func(line string) bool {
		return strings.Contains(line, failure) && name.MatchString(line)
	})
}

func (r *report) head(s *sidecar.Status) {
	state := stateWord(s)
	fmt.Fprintln(r, state+r.extent(s.Clusters, s.Ready))
	for _, reason := range s.Reasons {
		r.reasons([]string{strings.TrimPrefix(reason, state+": ")})
	}
	r.reasons(s.Trouble)
	fmt.Fprintf(r, "version\t%s\n", s.Version)
	fmt.Fprintf(r, "service\t%s, instance %s, since %s\n", s.Service, s.Instance, date(s.Started))
	if s.Rates.Total.Requests > 0 {
		fmt.Fprintf(r, "traffic\t%s\n", traffic(&s.Rates.Total, s.Rates.Seconds))
	}
}

// stateWord is what a gateway is, in a word or two.
func stateWord(s *sidecar.Status) string {
	switch {
	case s.Draining:
		return "draining"
	case !s.Ready:
		return "not ready"
	}
	return "ready"
}

// extent tells how much is in trouble.
func (r *report) extent(clusters []cluster.Status, ready bool) string {
	sick := 0
	for i := range clusters {
		if r.sick(clusters[i].Name) {
			sick++
		}
	}
	switch {
	case sick > 0:
		return fmt.Sprintf(", %d of %s in trouble", sick, sidecar.Count(len(clusters), "cluster"))
	case len(r.trouble) > 0 && ready:
		return ", but not all is well"
	}
	return ""
}

// sick tells whether something is wrong with the cluster of that name.
func (r *report) sick(name string) bool {
	return slices.ContainsFunc(r.trouble, func(t string) bool { return strings.HasPrefix(t, "cluster "+name+": ") })
}

// traffic tells what was counted within so many seconds.
func traffic(t *telemetry.Rate, seconds float64) string {
	parts := []string{fmt.Sprintf("%.3g requests/s, p50 %s, p99 %s", t.PerSecond, took(t.P50MS), took(t.P99MS))}
	for _, kind := range slices.Sorted(maps.Keys(t.Errors)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, t.Errors[kind]))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(" (last %.0f s)", seconds)
}

func (r *report) revision(s *sidecar.Status) {
	rev := &s.Revision
	if rev.ID != "" { // else the reasons say so
		fmt.Fprintf(r, "revision\t%s from %s since %s%s%s (%d applied, %d rejected)\n",
			rev.ID, rev.Source, date(rev.Since), when(rev.Orphaned && len(s.Trouble) == 0, ", its document is gone"),
			when(!rev.AsOf.IsZero(), ", as of "+date(rev.AsOf)), rev.Applied, rev.Rejected)
	}
	if s.Source != sidecar.SourceEnv && len(s.Discovery) > 0 && !r.tells(s.Discovery[0].Name, "") {
		fmt.Fprintf(r, "document\t%s\n", s.Discovery[0].Name)
	}
	if h := rev.Held; h != nil {
		fmt.Fprintf(r, "%s\t%s since %s%s\n", h.State, h.ID, date(h.Since),
			when(!h.Until.IsZero(), ", is applied at "+date(h.Until)+" (GATEWAY_SPREAD)"))
	}
	if v := s.Verdict; v != nil && v.Needs != "" {
		fmt.Fprintf(r, "verdict\tnot written to %s: the token needs %s\n", v.Key, v.Needs)
	}
	if b := rev.RolledBack; b != nil {
		fmt.Fprintf(r, "rolled back\t%s at %s\n", b.ID, date(b.At))
	}
	if last := rev.LastRejected; last != nil {
		fmt.Fprintf(r, "rejected\t%.12s at %s%s\n", cmp.Or(last.ID, last.Hash), date(last.At),
			when(!last.RetryAt.IsZero(), ", to be tried again at "+date(last.RetryAt)))
		if len(last.Reasons) > 1 { // of several the trouble has the first alone
			r.reasons(last.Reasons)
		}
	}
	r.earlier(s)
}

// limits tells how much is used of what bounds the whole process, where that is known.
func (r *report) limits(l *sidecar.LimitStatus) {
	if l.Connections.Max == 0 {
		return
	}
	fmt.Fprintf(r, "limits\t%d of %s%s%s\n", l.Connections.Used, sidecar.Count(l.Connections.Max, "connection"),
		when(l.Connections.Waiting > 0, ", clients wait"), when(l.Descriptors.Max > 0,
			fmt.Sprintf(", %d of %d file descriptors", l.Descriptors.Used, l.Descriptors.Max)))
}

// earlier tells in one line of the revisions before the one that serves, but for those that have a line of their own.
func (r *report) earlier(s *sidecar.Status) {
	const most = 3
	var told []string
	more := 0
	for i := range s.Revisions {
		one := &s.Revisions[i]
		refused := one.State == discovery.RevisionRejected || one.State == discovery.RevisionQuarantined
		switch {
		case one.State == discovery.RevisionApplied, s.Revision.Held != nil && s.Revision.Held.ID == one.Revision,
			s.Revision.LastRejected != nil && refused && s.Revision.LastRejected.ID == one.Revision:
		case len(told) == most:
			more++
		default:
			told = append(told, fmt.Sprintf("%s %s %s", one.Revision, one.State, date(one.Since)))
		}
	}
	if told != nil {
		fmt.Fprintf(r, "before\t%s%s\n", strings.Join(told, ", "), when(more > 0, fmt.Sprintf(", and %d more", more)))
	}
}

func (r *report) cluster(c *cluster.Status) {
	healthy := 0
	for _, e := range c.Endpoints {
		if e.State == "healthy" {
			healthy++
		}
	}
	fmt.Fprintf(r, "cluster %s\t%d of %s healthy%s\n", c.Name, healthy, sidecar.Count(len(c.Endpoints), "endpoint"),
		when(c.Panic && len(c.SkippedBy) == 0, ", so the others are used too")+preferring(c)+failingOver(c)+failing(c)+
			r.following(c)+
			when(c.Awaiting > 0, ", "+sidecar.Count(c.Awaiting, "request")+" waiting for endpoints"))
	for _, e := range c.Endpoints {
		fmt.Fprintf(r, "  %s\t%s%s\tweight %d\t%d in flight%s%s\n", e.Address, e.State,
			when(e.Reason != "" && !r.tells(e.Reason, e.Address), " ("+e.Reason+")"), e.Weight, e.InFlight,
			recent(e.Recent), r.lastError(&e))
	}
}

// recent tells what was counted of an endpoint within the last minute.
func recent(r *telemetry.EndpointRate) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("\t%d tried, %d failed, p50 %s, p99 %s", r.Requests, r.Errors, took(r.P50MS), took(r.P99MS))
}

// following says what the cluster follows, unless a line above does.
func (r *report) following(c *cluster.Status) string {
	unanswered := strings.HasSuffix(c.Follows, ": no response yet")
	return when(c.Follows != "" && !r.tells(c.Follows, c.Name) &&
		!(unanswered && r.tells("no endpoints received yet", "")), " ("+c.Follows+")")
}

// lastError is that of an endpoint whose last attempts have failed, unless a line above has it.
func (r *report) lastError(e *cluster.EndpointStatus) string {
	p := &e.Passive
	if p.Failures == 0 || p.LastError == "" || r.tells(p.LastError, e.Address) {
		return ""
	}
	return fmt.Sprintf("\t%s%s", p.LastError, when(p.Failures > 1, fmt.Sprintf(", %d in a row", p.Failures)))
}

// preferring says which endpoints come first, and how far.
func preferring(c *cluster.Status) string {
	if c.Prefer == nil {
		return ""
	}
	return ", " + c.Prefer.String()
}

// failing says which statuses of responses count as failures, where the document names them.
func failing(c *cluster.Status) string { return when(c.Failures != "", ", "+c.Failures) }

// failingOver says which cluster stands in, if one does.
func failingOver(c *cluster.Status) string {
	if c.Failover == nil || c.Failover.Active == "" {
		return ""
	}
	return ", so " + c.Failover.Active + " stands in"
}

// when gives text if something is so.
func when(so bool, text string) string {
	if so {
		return text
	}
	return ""
}

func date(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format(time.RFC3339)
}
