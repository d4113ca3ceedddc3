package sidecar

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// severity orders what is wrong.
type severity int

const (
	failing  severity = iota // requests fail, or clients wait
	outdated                 // what should serve does not
	atRisk                   // it may come to that, or a part of what there is does not work
	later                    // nothing is wrong yet
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
		t.attempts(c, rates[c.Name])
		t.slow(c)
	}
	t.requests(&s.Rates)
	t.panics(&s.Panics)
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

// requests tells of what is refused before there is a cluster.
func (t *troubles) requests(rates *telemetry.Rates) {
	errors := rates.Total.Errors
	if n := errors["RL"]; n > 0 {
		t.add(atRisk, "%s refused by a rate limit in the last minute (RL)%s", Count(int(n), "request"),
			routesWith(rates, "RL"))
	}
	// That somebody is asked who it is, is nothing special; that nearly all are refused mostly is.
	if n := errors["AC"]; n >= few && 2*n >= rates.Total.Requests {
		t.add(atRisk, "%d requests refused by access control in the last minute (AC)%s", n, routesWith(rates, "AC"))
	}
	if n := errors["NR"]; n >= few {
		t.add(atRisk, "%d requests in the last minute had no route (NR)", n)
	}
}

// panicTold is how long after the last panic of the gateway it is told of.
const panicTold = time.Hour

// panics tells of faults of the gateway itself. They should not be, so they are told for longer than what apps do.
func (t *troubles) panics(p *telemetry.PanicStatus) {
	if p.LastAt.IsZero() || t.now.Sub(p.LastAt) >= panicTold {
		return
	}
	t.add(atRisk, "the gateway itself is at fault: %s since its start, the last in %s, %s: please report what its log "+
		"has of it (BUG: panic)", Count(int(p.L7+p.L4), "panic"), p.LastIn, t.ago(p.LastAt))
}

// routesWith names the routes whose requests had a flag, those with the most first.
func routesWith(rates *telemetry.Rates, flag string) string {
	var with []telemetry.NamedRate
	for _, r := range rates.Routes {
		if r.Errors[flag] > 0 {
			with = append(with, r)
		}
	}
	slices.SortStableFunc(with, func(a, b telemetry.NamedRate) int {
		return cmp.Compare(b.Errors[flag], a.Errors[flag])
	})
	var names []string
	for i := range with {
		names = append(names, fmt.Sprintf("route %s %d", with[i].Name, with[i].Errors[flag]))
	}
	if names == nil {
		return ""
	}
	return ": " + someOf(names)
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
	if h := r.Held; h != nil && h.Until.IsZero() && len(h.Reasons) > 0 {
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
		t.add(outdated, "%s%s%s: %s (%s)", ofConsul(what[0]), what[0], rest, e, answered)
	}
}

// ofConsul says that Consul is asked for what has the name.
func ofConsul(name string) string {
	if strings.HasPrefix(name, "kv ") || strings.HasPrefix(name, "health ") {
		return "Consul: "
	}
	return ""
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
			t.add(later, "%s", text)
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
		n := l.Failed + l.Done
		if s, many := tooMany(l.Failed, n); many {
			t.add(s, "listener %s: %d of %d TLS handshakes failed in the last minute: %s", l.Name, l.Failed, n,
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
	if s.LogReopenError != "" {
		t.add(atRisk, "the access log cannot be opened anew, the file from before stays in use: %s: mend it, then "+
			"send SIGHUP", s.LogReopenError)
	}
	if s.TokenError != "" {
		t.add(atRisk, "Consul token: %s; the last good one stays in use", s.TokenError)
	}
	if s.State != nil && s.State.Error != "" {
		t.add(atRisk, "state directory: %s", s.State.Error)
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

// areIs is the verb of a number of things.
func areIs(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Count writes a number of things as people do: 1 endpoint, 2 endpoints.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
