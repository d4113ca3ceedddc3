package sidecar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// endpoints tells of endpoints that are not used.
func (t *troubles) endpoints(c *cluster.Status) {
	var sick, resting []string
	all, usable := 0, 0
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		if e.State == "draining" || e.Weight == 0 {
			continue // it is not meant to be used
		}
		all++
		if e.Unused == "" {
			usable++
		}
		switch e.State {
		case "healthy":
		case "maintenance": // somebody wants it so
			resting = append(resting, t.endpoint(e))
		default:
			sick = append(sick, t.endpoint(e))
		}
	}
	if usable == 0 {
		sick = append(sick, resting...)
	}
	why := t.why(c, sick)
	switch {
	case c.Failover != nil && c.Failover.Active != "":
		t.add(atRisk, "cluster %s: no endpoint can be used, so %s stands in%s", c.Name, c.Failover.Active, why)
	case usable == 0 && t.told(unknownService(c)): // a reason for not being ready
	case usable == 0:
		t.add(failing, "cluster %s: no endpoint can be used%s", c.Name, why)
	case len(c.SkippedBy) > 0:
		t.add(failing, "cluster %s: no endpoint is healthy, so it does not stand in for %s "+
			"(routes of its own use all endpoints)%s", c.Name, someOf(c.SkippedBy), why)
	case c.Panic:
		t.add(failing, "cluster %s: no endpoint is healthy, so all are used%s", c.Name, why)
	case len(sick) > 0:
		t.add(atRisk, "cluster %s: %d of %d endpoints %s not healthy%s", c.Name, len(sick), all, areIs(len(sick)), why)
	}
	t.held(c)
}

// held tells of endpoints that are used although Consul has them no more, or calls them critical.
func (t *troubles) held(c *cluster.Status) {
	held := 0
	var until time.Time // the first of them
	for i := range c.Endpoints {
		if e := c.Endpoints[i].Consul; e != nil && e.Held != nil {
			if held++; until.IsZero() || e.Held.Before(until) {
				until = *e.Held
			}
		}
	}
	if held == 0 {
		return
	}
	still := "for another " + span(until.Sub(t.now)) + " all the same"
	if !until.After(t.now) {
		still = "until Consul confirms that it has none"
	}
	t.add(atRisk, "cluster %s: %d of %d endpoints %s lost in Consul, and used %s%s", c.Name, held, len(c.Endpoints),
		areIs(held), still, t.why(c, nil))
}

// unknownService is how a reason for not being ready tells that the service of a cluster is not known yet.
func unknownService(c *cluster.Status) string {
	what, is := strings.CutSuffix(c.Follows, ": no response yet")
	if !is {
		return "\x00" // which no reason has
	}
	return "no endpoints received yet: " +
		strings.NewReplacer("consul ", "", ", tag ", " tag ", ", tags ", " tags ", ", filter ", " filter ",
			", port ", " port ", ", datacenter ", " dc ").Replace(what)
}

// why is the cause that the cluster itself or its first endpoints give.
func (t *troubles) why(c *cluster.Status, sick []string) string {
	switch {
	case len(sick) > 0:
		return ": " + someOf(sick)
	case c.Follows != "":
		return ": " + c.Follows
	}
	return ""
}

// someOf names the first two, and how many more there are.
func someOf(all []string) string {
	const most = 2
	if len(all) > most {
		return fmt.Sprintf("%s, and %d more", strings.Join(all[:most], "; "), len(all)-most)
	}
	return strings.Join(all, "; ")
}

// endpoint tells what is wrong with one: its state, why, and what went wrong with it last.
func (t *troubles) endpoint(e *cluster.EndpointStatus) string {
	text := e.Address + " " + e.State
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if p := &e.Passive; p.LastError != "" && !strings.Contains(text, p.LastError) {
		text += ", " + t.lastError(p)
	}
	return text
}

func (t *troubles) lastError(p *cluster.PassiveStatus) string {
	text := p.LastError
	if p.Failures > 1 {
		text += fmt.Sprintf(", %d in a row", p.Failures)
	}
	if p.LastErrorAt != nil {
		text += ", " + t.ago(*p.LastErrorAt)
	}
	return text
}

// few is how many attempts must have failed within a minute before that is told.
const few = 3

// attempts tells of attempts that fail although the endpoint is used, and of requests that a limit refuses.
func (t *troubles) attempts(c *cluster.Status, r *telemetry.NamedRate) {
	if r == nil {
		t.connections(c)
		return
	}
	if n := r.Errors["UO"]; n > 0 {
		t.add(failing,
			"cluster %s: %s refused in the last minute, since a limit was reached (UO); %d in flight now",
			c.Name, Count(int(n), "request"), c.InFlight)
	}
	kinds := []string{"5xx", "UF", "UC", "UT", "UPE"}
	failed := uint64(0)
	var told []string
	for _, kind := range kinds {
		if n := r.Errors[kind]; n > 0 {
			failed += n
			told = append(told, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if s, many := tooMany(failed, r.Requests); many {
		t.add(s, "cluster %s: %d of %d attempts failed in the last minute: %s%s", c.Name, failed, r.Requests,
			strings.Join(told, ", "), t.where(c))
	}
}

// connections is attempts for a cluster of L4, of which the endpoints alone are counted.
func (t *troubles) connections(c *cluster.Status) {
	all, failed := uint64(0), uint64(0)
	for i := range c.Endpoints {
		if r := c.Endpoints[i].Recent; r != nil {
			all, failed = all+r.Requests, failed+r.Errors
		}
	}
	if s, many := tooMany(failed, all); many {
		t.add(s, "cluster %s: %d of %d connections failed in the last minute%s", c.Name, failed, all, t.where(c))
	}
}

// tooMany tells whether so many that failed are worth a sentence, and how bad it is.
func tooMany(failed, all uint64) (s severity, many bool) {
	if failed*2 < all {
		s = atRisk
	}
	return s, failed >= few && failed*20 >= all
}

// What makes an endpoint slow: it takes so many times as long as the others, and no less than slowMS. With fewer
// requests than slowRequests that may be chance.
const (
	slowTimes    = 10
	slowMS       = 100
	slowRequests = 10
)

// slow tells of endpoints that take far longer than the others of their cluster.
func (t *troubles) slow(c *cluster.Status) {
	var busy []*cluster.EndpointStatus
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; e.Recent != nil && e.Recent.Requests >= slowRequests {
			busy = append(busy, e)
		}
	}
	for i, e := range busy {
		var others []float64
		for j, other := range busy {
			if j != i {
				others = append(others, other.Recent.P50MS)
			}
		}
		slices.Sort(others)
		if p50 := e.Recent.P50MS; len(others) > 0 && p50 >= slowMS && p50 >= slowTimes*others[len(others)/2] {
			t.add(atRisk, "cluster %s: %s is slow: p50 %.0f ms in the last minute, that of the others %.1f ms", c.Name,
				e.Address, p50, others[len(others)/2])
		}
	}
}

// where tells at which endpoint it fails, and how. It gives the newest error, unless a sentence has it already, or
// else the endpoint that has most of the failures although there are others.
func (t *troubles) where(c *cluster.Status) string {
	if e := t.newestError(c); e != nil {
		last := t.lastError(&e.Passive)
		for _, one := range t.list {
			if strings.HasPrefix(one.text, "cluster "+c.Name+": ") && strings.Contains(one.text, e.Address+" ") &&
				strings.Contains(one.text, last) {
				return ""
			}
		}
		return fmt.Sprintf("; %s: %s", e.Address, last)
	}
	busy, failed := 0, uint64(0)
	var worst *cluster.EndpointStatus
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		if e.Recent == nil {
			continue
		}
		busy++
		failed += e.Recent.Errors
		if worst == nil || e.Recent.Errors > worst.Recent.Errors {
			worst = e
		}
	}
	if busy < 2 || worst.Recent.Errors*2 <= failed {
		return ""
	}
	return fmt.Sprintf("; %s: %d of %d", worst.Address, worst.Recent.Errors, worst.Recent.Requests)
}

// newestError is the endpoint of a cluster that had the last error within the last minute; nil: none had one.
func (t *troubles) newestError(c *cluster.Status) (newest *cluster.EndpointStatus) {
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		if at := e.Passive.LastErrorAt; at != nil && t.now.Sub(*at) < time.Minute &&
			(newest == nil || at.After(*newest.Passive.LastErrorAt)) {
			newest = e
		}
	}
	return newest
}
