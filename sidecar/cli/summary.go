package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// summary tells people of a status: the state first, then what is wrong, then
// the parts.
func summary(to io.Writer, s *sidecar.Status) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	summaryHead(w, s)
	summaryRevision(w, &s.Revision)
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "listener %s\t%s\t%s%s\t%s%s\n", l.Name, l.Address, l.Protocol, when(l.TLS, " over TLS"),
			count(int(l.Connections), "connection"), when(l.Draining, ", draining"))
	}
	for i := range s.Clusters {
		summaryCluster(w, &s.Clusters[i])
	}
	for _, d := range s.Discovery {
		if d.Error != "" {
			fmt.Fprintf(w, "discovery %s\t%s\n", d.Name, d.Error)
		}
	}
	if s.State != nil && s.State.Error != "" {
		fmt.Fprintf(w, "state %s\t%s\n", s.State.Dir, s.State.Error)
	}
	for _, c := range s.Certificates {
		fmt.Fprintf(w, "certificate %s\tuntil %s%s\n", c.Path, date(c.NotAfter), when(c.Error != "", ", "+c.Error))
	}
	return w.Flush()
}

func summaryHead(w io.Writer, s *sidecar.Status) {
	state := "ready"
	switch {
	case s.Draining:
		state = "draining"
	case !s.Ready:
		state = "not ready"
	}
	fmt.Fprintln(w, state)
	for _, reason := range s.Reasons {
		fmt.Fprintln(w, "  "+reason)
	}
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "service\t%s, instance %s, since %s\n", s.Service, s.Instance, date(s.Started))
}

func summaryRevision(w io.Writer, r *sidecar.RevisionStatus) {
	if r.ID == "" {
		fmt.Fprintln(w, "revision\tnone yet")
	} else {
		fmt.Fprintf(w, "revision\t%s from %s since %s%s%s (%d applied, %d rejected)\n",
			r.ID, r.Source, date(r.Since), when(r.Orphaned, ", its document is gone"),
			when(!r.AsOf.IsZero(), ", as of "+date(r.AsOf)), r.Applied, r.Rejected)
	}
	if h := r.Held; h != nil {
		fmt.Fprintf(w, "%s\t%s since %s\n", h.State, h.ID, date(h.Since))
		for _, reason := range h.Reasons {
			fmt.Fprintln(w, "  "+reason)
		}
	}
	if last := r.LastRejected; last != nil {
		fmt.Fprintf(w, "rejected\t%s at %s%s\n", last.Hash, date(last.At),
			when(!last.RetryAt.IsZero(), ", to be tried again at "+date(last.RetryAt)))
		for _, reason := range last.Reasons {
			fmt.Fprintln(w, "  "+reason)
		}
	}
}

func summaryCluster(w io.Writer, c *cluster.Status) {
	healthy := 0
	for _, e := range c.Endpoints {
		if e.State == "healthy" {
			healthy++
		}
	}
	fmt.Fprintf(w, "cluster %s\t%d of %s healthy%s\n", c.Name, healthy, count(len(c.Endpoints), "endpoint"),
		when(c.Panic, ", so the others are used too")+failingOver(c)+
			unfollowed(c))
	for _, e := range c.Endpoints {
		fmt.Fprintf(w, "  %s\t%s%s\tweight %d\t%d in flight\n", e.Address, e.State,
			when(e.Reason != "", " ("+e.Reason+")"), e.Weight, e.InFlight)
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
