package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// admin is an admin port that shows a status; it gives its address.
func admin(t *testing.T, s sidecar.Status, reasons ...string) string {
	t.Helper()
	return showing(t, sidecar.View{
		Ready:  func() []string { return reasons },
		Status: func() sidecar.Status { return s },
	})
}

// showing is an admin port; it gives its address.
func showing(t *testing.T, view sidecar.View) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := sidecar.NewAdmin(view, sidecar.AdminOptions{Listen: l.Addr().String()})
	done := make(chan error, 1)
	go func() { done <- a.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(a.Shutdown(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// never is when nothing expires here.
var never = time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)

func statusFixture() sidecar.Status {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return sidecar.Status{
		Version: sidecar.Build{Version: "devel"}, Service: "web", Instance: "web-1", Started: at,
		Source: sidecar.SourceConsul,
		Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "consul", Since: at, Applied: 3, Rejected: 1,
			LastRejected: &sidecar.Rejection{ID: "3c4d", Hash: "99aa", At: at,
				Reasons: []string{"4:14: routes[0].cluster: cluster x is not defined"}},
		},
		Revisions: []sidecar.RevisionRecord{
			{Revision: "3c4d", State: discovery.RevisionRejected, Since: at},
			{Revision: "1a2b", State: discovery.RevisionApplied, Since: at},
			{Revision: "0a1b", State: discovery.RevisionSuperseded, Since: at},
			{Revision: "5e6f", State: discovery.RevisionRejected, Since: at},
			{Revision: "7a8b", State: discovery.RevisionSuperseded, Since: at},
			{Revision: "9c0d", State: discovery.RevisionSuperseded, Since: at},
		},
		Listeners: []sidecar.ListenerStatus{{Name: "default", Address: "[::]:8080", Protocol: "http", TLS: true,
			Connections: 2}},
		Clusters: []cluster.Status{
			{Name: "a-well", Endpoints: []cluster.EndpointStatus{{Address: "10.0.0.3:80", State: "healthy",
				Weight: 1, Passive: cluster.PassiveStatus{Failures: 2, LastError: "reset by the endpoint"}}}},
			{Name: "app", Follows: "consul service app", Panic: true, Endpoints: []cluster.EndpointStatus{
				{Address: "10.0.0.1:80", State: "healthy", Weight: 3, InFlight: 1, Recent: &telemetry.EndpointRate{
					Requests: 120, Errors: 2, P50MS: 0.3, P99MS: 12,
				}},
				{Address: "10.0.0.2:80", State: "ejected", Weight: 1, Reason: "passive: connect"},
			}},
			{Name: "late", Follows: "consul service late: no response yet", Unknown: true, Awaiting: 3,
				Failures: "no status is a failure"},
		},
		Limits: sidecar.LimitStatus{Connections: sidecar.ConnectionLimit{Used: 32, Max: 32, Waiting: 1},
			Descriptors: sidecar.DescriptorLimit{Used: 70, Max: 1024}},
		Rates: telemetry.Rates{Seconds: 60, Total: telemetry.Rate{
			Requests: 120, PerSecond: 2, Errors: map[string]uint64{"UH": 1, "4xx": 3}, P50MS: 0.3, P99MS: 12,
		}},
		Discovery: []discovery.Status{
			{Name: `kv "gateway/web/config"`},
			{Name: "service app", Failing: 2, Error: "connection refused"},
		},
		Certificates: []mtls.Status{{Kind: "certificate", Path: "a.pem", NotAfter: never, Error: "key does not fit"}},
	}
}

const wantSummary = `ready, 2 of 3 clusters in trouble
  32 of 32 connections are open, so new clients wait: GATEWAY_MAX_CONNECTIONS
  cluster app: no endpoint is healthy, so all are used: 10.0.0.2:80 ejected (passive: connect)
  cluster late: no endpoint can be used: consul service late: no response yet
  the newest document is rejected: 4:14: routes[0].cluster: cluster x is not defined
  service app: connection refused (never answered yet)
  certificate a.pem: what is on disk does not serve: key does not fit
version           devel
service           web, instance web-1, since 2026-01-02T03:04:05Z
traffic           2 requests/s, p50 0.3 ms, p99 12.0 ms, 4xx 3, UH 1 (last 60 s)
revision          1a2b from consul since 2026-01-02T03:04:05Z (3 applied, 1 rejected)
document          kv "gateway/web/config"
rejected          3c4d at 2026-01-02T03:04:05Z
before            0a1b superseded 2026-01-02T03:04:05Z, 5e6f rejected 2026-01-02T03:04:05Z, 7a8b superseded 2026-01-02T03:04:05Z, and 1 more
limits            32 of 32 connections, clients wait, 70 of 1024 file descriptors
listener default  [::]:8080  http over TLS  2 connections
cluster app       1 of 2 endpoints healthy, so the others are used too (consul service app)
  10.0.0.1:80     healthy  weight 3  1 in flight  120 tried, 2 failed, p50 0.3 ms, p99 12.0 ms
  10.0.0.2:80     ejected  weight 1  0 in flight
cluster late      0 of 0 endpoints healthy, no status is a failure, 3 requests waiting for endpoints
cluster a-well    1 of 1 endpoint healthy
  10.0.0.3:80     healthy  weight 1  0 in flight  reset by the endpoint, 2 in a row
certificate a.pem  until 2126-01-02T03:04:05Z
`

func TestStatusReady(t *testing.T) {
	s := statusFixture()
	got := do(t, Process{}, "status", "--admin-listen", admin(t, s))
	if got.code != 0 || got.stderr != "" {
		t.Errorf("status: %+v, want code 0", got)
	}
	lines := strings.Split(got.stdout, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if text := strings.Join(lines, "\n"); text != wantSummary {
		t.Errorf("status:\n%s\nwant:\n%s", text, wantSummary)
	}
}

// One fact is in one line, although several parts of the status have it.
func TestStatusSaysNothingTwice(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refused := "dial tcp 127.0.0.1:8500: connect: connection refused"
	kv := discovery.Status{Name: `kv "gateway/web/config"`, Error: refused}
	watch := func(service string) discovery.Status {
		return discovery.Status{Name: "health " + strconv.Quote(service), Error: refused}
	}
	serves := sidecar.RevisionStatus{ID: "1a2b", Source: "file", Since: at, Applied: 1}
	const line = "revision  1a2b from file since 2026-01-02T03:04:05Z"
	for _, row := range []struct {
		name    string
		s       sidecar.Status
		reasons []string
		want    string // without the lines version and service
	}{
		{"starting", sidecar.Status{}, []string{"no revision serves yet"}, "not ready\n  no revision serves yet\n"},
		{"the first one was rejected", sidecar.Status{Revision: sidecar.RevisionStatus{
			LastRejected: &sidecar.Rejection{ID: "3c4d", Hash: "99aa", At: at, Reasons: []string{"wrong", "bad"}},
		}}, []string{"no revision serves: the first one was rejected", "wrong", "bad"},
			"not ready\n  no revision serves: the first one was rejected\n  wrong\n  bad\n" +
				"rejected  3c4d at 2026-01-02T03:04:05Z\n"},
		{"the bootstrap alone", sidecar.Status{Revision: serves, Discovery: []discovery.Status{kv}},
			[]string{"no routes: the bootstrap has none, and " + kv.Name + " cannot be read: " + refused},
			"not ready\n  no routes: the bootstrap has none, and " + kv.Name + " cannot be read: " + refused + "\n" +
				line +
				" (1 applied, 0 rejected)\n"},
		{"the bootstrap alone, for what was rejected", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "env", Since: at, Applied: 1, Rejected: 1,
			LastRejected: &sidecar.Rejection{ID: "3c4d", Hash: "99aa", At: at, Reasons: []string{"in use"}},
		}}, []string{"no routes: the bootstrap has none, and its document cannot be applied", "in use"},
			"not ready\n  no routes: the bootstrap has none, and its document cannot be applied\n  in use\n" +
				"revision  1a2b from env since 2026-01-02T03:04:05Z (1 applied, 1 rejected)\n" +
				"rejected  3c4d at 2026-01-02T03:04:05Z\n"},
		{"another error since", sidecar.Status{Revision: serves, Discovery: []discovery.Status{kv}},
			[]string{"no routes: the bootstrap has none, and nothing was heard of " + kv.Name},
			"not ready\n  no routes: the bootstrap has none, and nothing was heard of " + kv.Name + "\n  Consul: " +
				kv.Name +
				": " + refused + " (never answered yet)\n" + line + " (1 applied, 0 rejected)\n"},
		{"rejected, to be tried again", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "file", Since: at, Applied: 1, Rejected: 1,
			LastRejected: &sidecar.Rejection{
				Hash: "3c4d", At: at, Reasons: []string{"in use"}, RetryAt: at.Add(time.Second),
			},
		}}, nil, "ready, but not all is well\n  the newest document is rejected: in use\n" + line +
			" (1 applied, 1 rejected)\n" +
			"rejected  3c4d at 2026-01-02T03:04:05Z, to be tried again at 2026-01-02T03:04:06Z\n"},
		{"no right to speak", sidecar.Status{Revision: serves, Verdict: &consul.AckStatus{
			Key: "gateway/web/ack/one", Error: "status 403: no", Needs: `session_prefix "" { policy = "write" }`,
		}}, nil, "ready\n" + line + " (1 applied, 0 rejected)\nverdict   not written to gateway/web/ack/one: " +
			"the token needs session_prefix \"\" { policy = \"write\" }\n"},
		{"waiting", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "file", Since: at, Applied: 1,
			Held: &sidecar.Held{ID: "5e6f", State: "waiting", Since: at,
				Reasons: []string{"cluster x: waits for service x tag v1 (transport: " + refused + ")"}},
		}, Discovery: []discovery.Status{{Name: "file"}, watch("x"), watch("x-2")}}, nil,
			"ready, but not all is well\n  the newest document is held: cluster x: waits for service x tag v1 " +
				"(transport: " +
				refused + ")\n" + line +
				" (1 applied, 0 rejected)\ndocument  file\nwaiting   5e6f since 2026-01-02T03:04:05Z\n"},
		{"rolled back", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "file", Since: at, Applied: 3,
			RolledBack: &sidecar.RolledBack{ID: "5e6f", At: at.Add(4 * time.Second), Since: at,
				Reasons: []string{"route a: 30 of 40 requests failed (UF 30), before 0 of 600"}},
		}}, nil, "ready, but not all is well\n  the newest document was rolled back after 4 s: " +
			"route a: 30 of 40 requests failed (UF 30), before 0 of 600\n" + line +
			" (3 applied, 0 rejected)\nrolled back  5e6f at 2026-01-02T03:04:09Z\n"},
		{"rolled back, and refused since", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "file", Since: at, Applied: 3, Rejected: 1,
			RolledBack: &sidecar.RolledBack{ID: "5e6f", At: at, Since: at, Reasons: []string{"route a: worse"}},
			LastRejected: &sidecar.Rejection{ID: "3c4d", Hash: "99aa", At: at,
				Reasons: []string{"quarantined: it was rolled back (route a: worse)"}},
		}}, nil, "ready, but not all is well\n" +
			"  the newest document is rejected: quarantined: it was rolled back (route a: worse)\n" + line +
			" (3 applied, 1 rejected)\nrolled back  5e6f at 2026-01-02T03:04:05Z\n" +
			"rejected  3c4d at 2026-01-02T03:04:05Z\n"},
		{"the document is gone", sidecar.Status{Revision: sidecar.RevisionStatus{
			ID: "1a2b", Source: "file", Since: at, Applied: 1, Orphaned: true,
		}, Discovery: []discovery.Status{{Name: `file "a"`, Error: "no such file"}}}, nil,
			"ready, but not all is well\n" +
				`  the document is gone (file "a": no such file), what it said goes on serving` + "\n" + line +
				" (1 applied, 0 rejected)\n"},
		{"no response at a start", sidecar.Status{Revision: serves, Clusters: []cluster.Status{
			{Name: "x", Follows: "consul service x, tag v1, datacenter dc2: no response yet"},
			{Name: "y", Follows: "consul service y: no response yet"},
		}}, []string{"no endpoints received yet: service x tag v1 dc dc2"},
			"not ready, 1 of 2 clusters in trouble\n  no endpoints received yet: service x tag v1 dc dc2\n" +
				"  cluster y: no endpoint can be used: consul service y: no response yet\n" +
				line + " (1 applied, 0 rejected)\n" +
				"cluster y  0 of 0 endpoints healthy\ncluster x  0 of 0 endpoints healthy\n"},
		{"Consul is away", sidecar.Status{Revision: serves, Discovery: []discovery.Status{
			kv, watch("a"), watch("b"), watch("c"), watch("d"),
		}}, nil, "ready, but not all is well\n  Consul: " + kv.Name + " and 4 more: " + refused +
			" (never answered yet)\n" + line + " (1 applied, 0 rejected)\n"},
		{"draining", sidecar.Status{Revision: serves, Draining: true},
			[]string{"draining: the gateway is about to stop"},
			"draining\n  the gateway is about to stop\n" + line + " (1 applied, 0 rejected)\n"},
		{"a file that is used in two ways", sidecar.Status{Certificates: []mtls.Status{
			{Kind: "certificate", Path: "a.pem", NotAfter: never},
			{Kind: "certificate", Path: "a.pem", NotAfter: never},
		}}, nil, "ready\ncertificate a.pem  until 2126-01-02T03:04:05Z\n"},
		{"a password file", sidecar.Status{PasswordFiles: []passwords.Status{{Path: "users", Users: 3}}}, nil,
			"ready\npassword file users  3 users\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := do(t, Process{}, "status", "--admin-listen", admin(t, row.s, row.reasons...))
			var lines strings.Builder
			for line := range strings.Lines(got.stdout) {
				if !strings.HasPrefix(line, "version ") && !strings.HasPrefix(line, "service ") {
					lines.WriteString(columns.ReplaceAllString(line, "  "))
				}
			}
			want := columns.ReplaceAllString(row.want, "  ")
			if lines.String() != want {
				t.Errorf("status:\n%s\nwant:\n%s", &lines, want)
			}
		})
	}
}

// columns is the space between two columns, or before the first.
var columns = regexp.MustCompile(` {2,}`)

func TestStatusNotReady(t *testing.T) {
	address := admin(t, sidecar.Status{}, "no revision serves yet")
	got := do(t, Process{Environ: []string{"GATEWAY_ADMIN_LISTEN=" + address}}, "status")
	if got.code != 1 || got.stderr != "" || !strings.HasPrefix(got.stdout, "not ready\n  no revision serves yet\n") {
		t.Errorf("status: %+v, want code 1 and the reason", got)
	}
}

func TestStatusJSON(t *testing.T) {
	address := admin(t, statusFixture(), "draining")
	got := do(t, Process{}, "status", "--json", "--admin-listen", address)
	if got.code != 1 || !strings.Contains(got.stdout, `"ready": false`) ||
		!strings.Contains(got.stdout, `"service": "web"`) {
		t.Errorf("status --json: %+v, want code 1 and the status", got)
	}
}

func TestStatusNobodyAnswers(t *testing.T) {
	address := testserver.Addr(t)
	got := do(t, Process{}, "status", "--admin-listen", address)
	if got.code != 1 || !strings.HasPrefix(got.stderr, "gateway: admin port "+address+": ") ||
		strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("status: %+v, want code 1 and one line", got)
	}
}

func TestStatusOfSomethingElse(t *testing.T) {
	for _, row := range []struct {
		handler http.HandlerFunc
		want    string
	}{
		{http.NotFound, "answered 404 Not Found (is it a gateway's?)"},
		{func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
			"the response is not a status"},
	} {
		s := httptest.NewServer(row.handler)
		got := do(t, Process{}, "status", "--admin-listen", s.Listener.Addr().String())
		s.Close()
		if got.code != 1 || !strings.Contains(got.stderr, row.want) {
			t.Errorf("status: %+v, want code 1 and %q", got, row.want)
		}
	}
}

func TestDialable(t *testing.T) {
	for _, row := range []struct{ listen, want string }{
		{":9901", "127.0.0.1:9901"},
		{"0.0.0.0:9901", "127.0.0.1:9901"},
		{"[::]:9901", "[::1]:9901"},
		{"10.1.2.3:9901", "10.1.2.3:9901"},
		{"localhost:9901", "localhost:9901"},
	} {
		if got, err := dialable(row.listen); err != nil || got != row.want {
			t.Errorf("dialable(%q) = %q, %v, want %q", row.listen, got, err, row.want)
		}
	}
}
