package sidecar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// severity orders what is wrong.
type severity int

const (
	failing  severity = iota // requests fail, or clients wait
	outdated                 // what should serve does not
	atRisk                   // it may come to that, or a part of what there is does not work
)

// trouble is one thing that is wrong.
type trouble struct {
	severity severity
	text     string
}

// troubles gathers what is wrong with a status at a moment.
type troubles struct {
	now     time.Time
	reasons []string
	list    []trouble
}

// told tells whether a reason or a sentence has the text.
func (t *troubles) told(text string) bool {
	return slices.ContainsFunc(t.reasons, func(r string) bool { return strings.Contains(r, text) }) ||
		slices.ContainsFunc(t.list, func(one trouble) bool { return strings.Contains(one.text, text) })
}

// findTrouble says what is wrong with the parts of a status, a sentence each, the worst first. What the reasons for not
// being ready tell is left out.
func findTrouble(s *Status, now time.Time) []string {
	t := &troubles{now: now, reasons: s.Reasons}
	rates := map[string]*telemetry.NamedRate{}
	for i := range s.Rates.Clusters {
		rates[s.Rates.Clusters[i].Name] = &s.Rates.Clusters[i]
	}
	t.limits(&s.Limits)
	for i := range s.Clusters {
		c := &s.Clusters[i]
		t.endpoints(c)
		t.tries(c, rates[c.Name])
		t.slow(c)
	}
	t.requests(&s.Rates.Total)
	t.revision(&s.Revision)
	t.orphaned(s)
	t.discovery(s.Discovery)
	t.certificates(s)
	t.handshakes(s.Rates.Listeners)
	t.files(s)
	slices.SortStableFunc(t.list, func(a, b trouble) int { return int(a.severity) - int(b.severity) })
	texts := []string{}
	for _, one := range t.list {
		texts = append(texts, one.text)
	}
	return texts
}

func (t *troubles) add(s severity, format string, values ...any) {
	t.list = append(t.list, trouble{s, fmt.Sprintf(format, values...)})
}

func (t *troubles) limits(l *LimitStatus) {
	if c := &l.Connections; c.Waiting > 0 {
		t.add(failing, "%d of %d connections are open, so new clients wait: GATEWAY_MAX_CONNECTIONS", c.Used, c.Max)
	}
	if d := &l.Descriptors; d.Max > 0 && d.Used > d.Max-fdReserve/2 {
		t.add(failing, "%d of %d file descriptors are in use: raise the limit (LimitNOFILE=, ulimit -n)", d.Used, d.Max)
	}
}

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
	case usable == 0 && t.told(unanswered(c)): // a reason for not being ready
	case usable == 0:
		t.add(failing, "cluster %s: no endpoint can be used%s", c.Name, why)
	case c.Panic:
		t.add(failing, "cluster %s: no endpoint is healthy, so all are used%s", c.Name, why)
	case len(sick) > 0:
		t.add(atRisk, "cluster %s: %d of %d endpoints %s not healthy%s", c.Name, len(sick), all, plural(len(sick)), why)
	}
}

// unanswered is how a reason for not being ready tells that the service of a cluster is not known yet.
func unanswered(c *cluster.Status) string {
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

// few is how many tries must have failed within a minute before that is told.
const few = 3

// tries tells of tries that fail although the endpoint is used, and of requests that a limit refuses.
func (t *troubles) tries(c *cluster.Status, r *telemetry.NamedRate) {
	if r == nil {
		return
	}
	if n := r.Errors["UO"]; n > 0 {
		t.add(failing, "cluster %s: %d requests refused in the last minute, since a limit was reached (UO)", c.Name, n)
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
	if failed < few || failed*20 < r.Requests {
		return
	}
	s := atRisk
	if failed*2 >= r.Requests {
		s = failing
	}
	t.add(s, "cluster %s: %d of %d tries failed in the last minute: %s%s", c.Name, failed, r.Requests,
		strings.Join(told, ", "), t.newestError(c))
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

// newestError is that of the endpoints of a cluster, where one is known.
func (t *troubles) newestError(c *cluster.Status) string {
	var newest *cluster.EndpointStatus
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		if at := e.Passive.LastErrorAt; at != nil && t.now.Sub(*at) < time.Minute &&
			(newest == nil || at.After(*newest.Passive.LastErrorAt)) {
			newest = e
		}
	}
	if newest == nil {
		return ""
	}
	return fmt.Sprintf("; %s: %s", newest.Address, t.lastError(&newest.Passive))
}

// requests tells of what is refused before there is a cluster.
func (t *troubles) requests(all *telemetry.Rate) {
	errors := all.Errors
	if n := errors["RL"]; n > 0 {
		t.add(atRisk, "%d requests refused by a rate limit in the last minute (RL)", n)
	}
	// That somebody is asked who it is, is nothing special; that nearly all are refused mostly is.
	if n := errors["AC"]; n >= few && 2*n >= all.Requests {
		t.add(atRisk, "%d requests refused by access control in the last minute (AC)", n)
	}
	if n := errors["NR"]; n >= few {
		t.add(atRisk, "%d requests in the last minute had no route (NR)", n)
	}
}

func (t *troubles) revision(r *RevisionStatus) {
	if last := r.LastRejected; last != nil && len(last.Reasons) > 0 && !t.told(last.Reasons[0]) {
		more := ""
		if n := len(last.Reasons) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more)", n)
		}
		t.add(outdated, "the newest document is rejected: %s%s", last.Reasons[0], more)
	}
	if b := r.RolledBack; b != nil && len(b.Reasons) > 0 && !t.told(b.Reasons[0]) {
		t.add(outdated, "the newest document was rolled back after %s: %s", span(b.At.Sub(b.Since)),
			strings.Join(b.Reasons, "; "))
	}
	if h := r.Held; h != nil && len(h.Reasons) > 0 {
		t.add(outdated, "the newest document is held: %s", strings.Join(h.Reasons, "; "))
	}
	if !r.AsOf.IsZero() {
		t.add(outdated, "what serves is from the state directory, as it was %s", t.ago(r.AsOf))
	}
}

// orphaned tells that the document is gone, and where it was: the source is the first of what is discovered.
func (t *troubles) orphaned(s *Status) {
	if !s.Revision.Orphaned || len(s.Discovery) == 0 {
		return
	}
	from := &s.Discovery[0]
	text := from.Name
	if from.Error != "" {
		text += ": " + from.Error
	}
	t.add(atRisk, "the document is gone (%s), what it said goes on serving", text)
}

// discovery tells each error once, with what it keeps from being answered.
func (t *troubles) discovery(all []discovery.Status) {
	names := map[string][]string{}
	since := map[string]time.Time{}
	for i := range all {
		d := &all[i]
		if len(d.LeftOut) > 0 {
			t.add(atRisk, "%s: instances left out: %s", d.Name, someOf(d.LeftOut))
		}
		if d.Error == "" || t.told(d.Error) {
			continue
		}
		names[d.Error] = append(names[d.Error], d.Name)
		if at, ok := since[d.Error]; !ok || d.LastOK.Before(at) {
			since[d.Error] = d.LastOK
		}
	}
	for _, e := range slices.Sorted(maps.Keys(names)) {
		what, rest := names[e], ""
		if n := len(what) - 1; n > 0 {
			rest = fmt.Sprintf(" and %d more", n)
		}
		answered := "never answered yet"
		if at := since[e]; !at.IsZero() {
			answered = "the answer of " + t.ago(at) + " holds"
		}
		t.add(outdated, "%s%s: %s (%s)", what[0], rest, e, answered)
	}
}

const certificateSoon = 14 * 24 * time.Hour

// CertificateTrouble says what is wrong with the dates of a certificate file; empty: nothing. bad: it is not good now.
func CertificateTrouble(c *mtls.Status, now time.Time) (text string, bad bool) {
	left := c.NotAfter.Sub(now)
	switch {
	case c.NotAfter.IsZero():
	case left <= 0:
		return fmt.Sprintf("certificate %s: EXPIRED %s ago", c.Path, span(-left)), true
	case c.NotBefore.After(now):
		return fmt.Sprintf("certificate %s: not valid before %s", c.Path, c.NotBefore.UTC().Format(time.RFC3339)), true
	case left < certificateSoon:
		return fmt.Sprintf("certificate %s: expires in %s", c.Path, span(left)), false
	}
	return "", false
}

// certificates tells of files, those of passwords too.
func (t *troubles) certificates(s *Status) {
	for i := range s.Certificates {
		c := &s.Certificates[i]
		if text, bad := CertificateTrouble(c, t.now); bad {
			t.add(failing, "%s", text)
		} else if text != "" {
			t.add(atRisk, "%s", text)
		}
		if c.Error != "" {
			t.add(outdated, "certificate %s: what is on disk does not serve: %s", c.Path, c.Error)
		}
	}
	for _, f := range s.PasswordFiles {
		if f.Error != "" {
			t.add(outdated, "password file %s: what is on disk does not serve: %s", f.Path, f.Error)
		}
	}
}

func (t *troubles) handshakes(all []telemetry.HandshakeRate) {
	for _, l := range all {
		if n := l.Failed + l.Done; l.Failed >= few && l.Failed*20 >= n {
			t.add(atRisk, "listener %s: %d of %d TLS handshakes failed in the last minute: %s", l.Name, l.Failed, n,
				l.Reason)
		}
	}
}

func (t *troubles) files(s *Status) {
	switch n := s.Rates.LogLinesLost; {
	case s.LogError != "":
		t.add(atRisk, "the access log cannot be written: %s (%d lines lost in the last minute)", s.LogError, n)
	case n > 0:
		t.add(atRisk, "the access log lost %d lines in the last minute: what it is written to is too slow", n)
	}
	if s.State != nil && s.State.Error != "" {
		t.add(atRisk, "state directory %s: %s", s.State.Dir, s.State.Error)
	}
}

func (t *troubles) ago(at time.Time) string { return span(t.now.Sub(at)) + " ago" }

// span is a time in the largest unit of which there are at least two.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"days", day}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= 2*unit.of {
			return fmt.Sprintf("%d %s", d/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%d s", max(d, 0)/time.Second)
}

func plural(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
