package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// keptFailures waits until n were kept, and gives them, the newest first.
func (g *gateway) keptFailures(n int) (all []telemetry.Failure) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "failures to be kept", func() bool {
		all, _ = g.registry.Failures.Last(100)
		return len(all) >= n
	})
	return all
}

// attempts are those of a failure: endpoint, status, flag and reason of each.
func attempts(f *telemetry.Failure) string {
	var all []string
	for _, a := range f.Attempts {
		all = append(all, fmt.Sprintf("%s %d %s %s", a.Upstream, a.Status, a.Flag, a.Reason))
	}
	return strings.Join(all, "; ")
}

func TestFailedRequestsAreKept(t *testing.T) {
	refused, answers := refusing(t), backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/503") {
			w.WriteHeader(503)
		}
	})
	g := start(t, `
routes:
- {name: refused, match: {path_prefix: /refused}, cluster: refused, retries: {attempts: 3, on: [connect-failure]}}
- {name: again, match: {path_prefix: /503/again}, cluster: app, retries: {attempts: 2, on: ["503"]}}
- {name: app, match: {path_prefix: /503}, cluster: app}
- {name: good, match: {path_prefix: /good}, cluster: app}
clusters:
- {name: refused, endpoints: ["`+refused+`"]}
- {name: app, endpoints: ["`+answers+`"]}
`)
	refusal := refused + " 0 UF connect: connection refused"
	for _, row := range []struct{ path, want, attempts string }{
		{"/refused?token=secret", "GET /refused: 502 UF connect: connection refused, route refused, cluster refused",
			refusal + "; " + refusal + "; " + refusal},
		{"/503/again", "GET /503/again: 503  , route again, cluster app", answers + " 503  ; " + answers + " 503  "},
		{"/503", "GET /503: 503  , route app, cluster app", answers + " 503  "},
		{"/none", "GET /none: 404 NR no route, route , cluster ", ""},
	} {
		before, _ := g.registry.Failures.Last(100)
		g.ask(get("/good"))
		g.ask(get(row.path))
		f := g.keptFailures(len(before) + 1)[0]
		got := fmt.Sprintf("%s %s: %d %s %s, route %s, cluster %s", f.Method, f.Path, f.Status, f.Flag, f.Reason,
			f.Route, f.Cluster)
		if got != row.want || attempts(&f) != row.attempts {
			t.Errorf("%s: kept %q with the attempts %q\nwant %q with %q", row.path, got, attempts(&f), row.want,
				row.attempts)
		}
		if f.RequestID == "" || f.Revision == "" || f.RemoteIP != "127.0.0.1" || f.Host != "a.example" ||
			f.Listener != "web" || f.Protocol != "HTTP/1.1" {
			t.Errorf("%s: kept %+v", row.path, f)
		}
		for i := 1; i < len(f.Attempts); i++ {
			if was, is := f.Attempts[i-1], f.Attempts[i]; is.AfterMS < was.AfterMS+was.DurationMS-0.002 ||
				is.AfterMS+is.DurationMS > f.DurationMS+0.002 {
				t.Errorf("%s: attempt %d at %v ms, behind one of %v ms at %v, of %v ms in all", row.path, i+1,
					is.AfterMS,
					was.DurationMS, was.AfterMS, f.DurationMS)
			}
		}
	}
}

// Each try is counted at its endpoint, in each way that a request may take.
func TestRatesOfEndpoints(t *testing.T) {
	recent := func(g *gateway) (r telemetry.EndpointRate) {
		if of := g.set.Status()[0].Endpoints[0].Recent; of != nil {
			r = *of
		}
		return r
	}
	check := func(t *testing.T, g *gateway, requests, errors uint64) {
		t.Helper()
		testserver.WaitFor(t, patience, "the tries to be counted",
			func() bool { return recent(g).Requests == requests })
		if r := recent(g); r.Errors != errors || r.P99MS <= 0 {
			t.Errorf("recent %+v, want %d errors", r, errors)
		}
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		g := start(t, to(echo(t)))
		g.ask(get("/"))
		g.ask(get("/"))
		check(t, g, 2, 0)
	})
	t.Run("refused", func(t *testing.T) {
		g := start(t, clustered("retries: {attempts: 3, on: [connect-failure]}", "", refusing(t)))
		g.ask(get("/"))
		check(t, g, 3, 3)
	})
	t.Run("relayed", func(t *testing.T) {
		g, _, down, up := relaying(t, "")
		down.Ask(3, true, "GET", "/")
		up.Head(up.Any().StreamID, true, ":status", "500")
		down.Answer(3, "500")
		check(t, g, 2, 1) // and the one that opened the connection
	})
}

func TestSlowRequestsAreKept(t *testing.T) {
	log := newLog(t)
	app := backend(t, func(http.ResponseWriter, *http.Request) { <-time.After(2 * time.Millisecond) })
	logged := "access_log: {sampling: 0, slow: %s, fields: [path, sampled]}\n"
	g := start(t, fmt.Sprintf(logged, "1ms")+to(app), log.use)
	g.ask(get("/slow"))
	if f := g.keptFailures(1)[0]; !f.Slow || f.Status != 200 || f.Flag != "" || attempts(&f) != app+" 200  " {
		t.Errorf("kept %+v, want a slow one", f)
	}
	if line := log.lines(1)[0]; line["path"] != "/slow" || line["sampled"] != 1.0 {
		t.Errorf("logged %v, want a slow one, which is never sampled away", line)
	}
	g.apply(fmt.Sprintf(logged, "1h") + to(app))
	g.ask(get("/fast"))
	g.idle(1)
	g.apply(fmt.Sprintf(logged, "0s") + to(app))
	g.ask(get("/never"))
	g.idle(1)
	if all := g.keptFailures(1); len(all) != 1 {
		t.Errorf("kept %+v, want the slow one alone", all)
	}
}

// A request that is relayed has its attempts too, also that which another carrier makes after the first.
func TestFailedRelayedRequestsAreKept(t *testing.T) {
	g, e, down, up := relaying(t, "")
	down.Ask(3, true, "GET", "/reset")
	up.Must(up.WriteRSTStream(up.Any().StreamID, xhttp2.ErrCodeInternal))
	down.Answer(3, "502")
	f := g.keptFailures(1)[0]
	if f.Path != "/reset" || f.Flag != "UC" || len(f.Attempts) != 1 || f.Attempts[0].Flag != "UC" ||
		!strings.Contains(f.Attempts[0].Reason, "INTERNAL_ERROR") {
		t.Errorf("kept %+v", f)
	}

	down.Text(3, "upstream broke off\n")
	down.Ask(5, true, "GET", "/twice")
	up = unprocessed(e, up, up.Any().StreamID, "REFUSED_STREAM")
	up.Head(up.Any().StreamID, true, ":status", "500")
	down.Answer(5, "500")
	f = g.keptFailures(2)[0]
	if f.Path != "/twice" || f.Flag != "" || len(f.Attempts) != 2 || f.Attempts[0].Flag != "UC" ||
		f.Attempts[1].Status != 500 || f.Attempts[1].Flag != "" {
		t.Errorf("kept %+v", f)
	}
}
