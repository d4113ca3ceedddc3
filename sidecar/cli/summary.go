package cli

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// report writes a status for people. A fact is in one line of it only, although several parts of a status may have it.
type report struct {
	io.Writer
	said []string // the lines that tell what is wrong
}

// summary tells people of a status: the state first, then what is wrong, then
// the parts.
func summary(to io.Writer, s *sidecar.Status) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	r := &report{Writer: w}
	r.head(s)
	r.revision(s)
	for _, l := range s.Listeners {
		fmt.Fprintf(r, "listener %s\t%s\t%s%s\t%s%s\n", l.Name, l.Address, l.Protocol, when(l.TLS, " over TLS"),
			count(int(l.Connections), "connection"), when(l.Draining, ", draining"))
	}
	for i := range s.Clusters {
		r.cluster(&s.Clusters[i])
	}
	r.discovery(s.Discovery)
	if s.State != nil && s.State.Error != "" {
		fmt.Fprintf(r, "state %s\t%s\n", s.State.Dir, s.State.Error)
	}
	for _, c := range s.Certificates {
		r.once(fmt.Sprintf("certificate %s\tuntil %s%s", c.Path, date(c.NotAfter), when(c.Error != "", ", "+c.Error)))
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
	state := "ready"
	switch {
	case s.Draining:
		state = "draining"
	case !s.Ready:
		state = "not ready"
	}
	fmt.Fprintln(r, state)
	for _, reason := range s.Reasons {
		r.reasons([]string{strings.TrimPrefix(reason, state+": ")})
	}
	fmt.Fprintf(r, "version\t%s\n", s.Version)
	fmt.Fprintf(r, "service\t%s, instance %s, since %s\n", s.Service, s.Instance, date(s.Started))
}

func (r *report) revision(s *sidecar.Status) {
	rev := &s.Revision
	if rev.ID != "" { // else the reasons say so
		fmt.Fprintf(r, "revision\t%s from %s since %s%s%s (%d applied, %d rejected)\n",
			rev.ID, rev.Source, date(rev.Since), r.orphaned(s),
			when(!rev.AsOf.IsZero(), ", as of "+date(rev.AsOf)), rev.Applied, rev.Rejected)
	}
	if h := rev.Held; h != nil {
		fmt.Fprintf(r, "%s\t%s since %s\n", h.State, h.ID, date(h.Since))
		r.reasons(h.Reasons)
	}
	if last := rev.LastRejected; last != nil {
		fmt.Fprintf(r, "rejected\t%s at %s%s\n", last.Hash, date(last.At),
			when(!last.RetryAt.IsZero(), ", to be tried again at "+date(last.RetryAt)))
		r.reasons(last.Reasons)
	}
}

// orphaned says that the document is gone, and where it was: the source is the first of what is discovered.
func (r *report) orphaned(s *sidecar.Status) string {
	switch {
	case !s.Revision.Orphaned:
		return ""
	case len(s.Discovery) == 0:
		return ", its document is gone"
	}
	from := &s.Discovery[0]
	text := fmt.Sprintf(", its document is gone (%s%s)", from.Name, when(from.Error != "", ": "+from.Error))
	r.said = append(r.said, text)
	return text
}

func (r *report) cluster(c *cluster.Status) {
	healthy := 0
	for _, e := range c.Endpoints {
		if e.State == "healthy" {
			healthy++
		}
	}
	fmt.Fprintf(r, "cluster %s\t%d of %s healthy%s\n", c.Name, healthy, count(len(c.Endpoints), "endpoint"),
		when(c.Panic, ", so the others are used too")+failingOver(c)+
			r.unfollowed(c))
	for _, e := range c.Endpoints {
		fmt.Fprintf(r, "  %s\t%s%s\tweight %d\t%d in flight\n", e.Address, e.State,
			when(e.Reason != "", " ("+e.Reason+")"), e.Weight, e.InFlight)
	}
}

// unfollowed is unfollowed, unless a reason tells that the service has no response yet.
func (r *report) unfollowed(c *cluster.Status) string {
	what, why, _ := strings.Cut(c.Follows, ": ")
	service := strings.NewReplacer("consul ", "", ", tag ", " tag ", ", datacenter ", " dc ").Replace(what)
	if why == "no response yet" && r.tells("", service) {
		return ""
	}
	return unfollowed(c)
}

// maxWatches is how many watches are named that have one error.
const maxWatches = 3

// discovery tells of what fails, each error once.
func (r *report) discovery(all []discovery.Status) {
	var errors []string
	names := map[string][]string{}
	for _, d := range all {
		service := strings.NewReplacer(`health "`, "service ", `"`, "").Replace(d.Name)
		if d.Error == "" || r.tells(d.Error, d.Name) || r.tells(d.Error, service) {
			continue
		}
		if names[d.Error] == nil {
			errors = append(errors, d.Error)
		}
		names[d.Error] = append(names[d.Error], d.Name)
	}
	for _, e := range errors {
		if n := len(names[e]); n > 1 {
			fmt.Fprintf(r, "discovery\t%s (%s%s)\n", e, strings.Join(names[e][:min(n, maxWatches)], ", "),
				when(n > maxWatches, fmt.Sprintf(" and %d more", n-maxWatches)))
			continue
		}
		fmt.Fprintf(r, "discovery %s\t%s\n", names[e][0], e)
	}
}

// unfollowed says what the cluster follows where the catalog has no instance of it.
func unfollowed(c *cluster.Status) string {
	return when(strings.Contains(c.Follows, ": "), " ("+c.Follows+")")
}

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
