package cli

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func explanationFixture() *route.Explanation {
	return &route.Explanation{
		Revision: "1a2b", Method: "GET", Host: "shop.example.com", Path: "/orders/7", Listener: "default",
		Route: &route.RouteWon{
			Name: "orders", Host: "shop.example.com", HostMatch: "exact", PathPrefix: "/orders",
			Conditions: route.Conditions{
				Methods: []string{"GET", "HEAD"}, Headers: []string{"x-canary"}, Query: []string{"page", "sort"},
				Source: []string{"10.0.0.0/8", "::1/128"}, Listeners: []string{"default"},
			},
		},
		Others: []route.RouteLost{
			{Name: "all", Reason: "it fits too, but orders comes first: its host is more specific"},
			{Name: "blog", Reason: "the host is not blog.example.com"},
		},
		More: 7,
		Clusters: []route.ClusterShare{
			{Share: 90, Status: cluster.Status{Name: "orders-v1", Endpoints: []cluster.EndpointStatus{
				{Address: "10.0.0.1:80", State: "healthy", Weight: 3},
				{Address: "10.0.0.2:80", State: "unhealthy", Reason: "consul: critical", Unused: "consul: critical",
					Weight: 1},
				{Address: "10.0.0.3:80", State: "healthy", Unused: "weight 0"},
				{Address: "10.0.0.4:80", State: "ejected", Reason: "passive: timeout", Weight: 1}, // being probed
			}}},
			{Share: 5, Status: cluster.Status{Name: "orders-v2", Failures: "failures are 429, 5xx"}},
			{Share: 0, Status: cluster.Status{
				Name: "orders-v5", Follows: "consul service orders: no response yet", Unknown: true,
			}},
			{Share: 5, Status: cluster.Status{Name: "orders-v3", Failover: &cluster.FailoverStatus{
				Order: []string{"dc2", "dc3"}, Active: "dc3",
			}}},
			{
				Share: 5, StandsInFor: "orders-v3", Status: cluster.Status{Name: "dc3"},
				HashBy: "header x-user", HashTo: "10.0.0.9:80",
			},
			{SlowStart: "30s", Status: cluster.Status{Name: "orders-v4",
				Failover: &cluster.FailoverStatus{Order: []string{"dc2", "dc3"}}}},
		},
		RateLimit: "10 a second, 20 at once, for each remote_ip",
		Mirror:    "10 % to cluster shadow",
		ErrorPages: []route.PageInForce{
			{Status: "404", ContentType: "text/html", Bytes: 20}, {Status: "5xx", ContentType: "text/html", Bytes: 20},
		},
		Timeouts: []config.Setting{{Name: "connect", Value: "2s", From: "bootstrap"},
			{Name: "request", Value: "0s", From: "default"}},
		Retries: &route.RetriesInForce{Attempts: 3, On: []string{"reset", "503"}, PerTryTimeout: "1s", From: "route"},
	}
}

const wantExplanation = `request            GET shop.example.com/orders/7 on listener default
route              orders: host shop.example.com (exact), prefix /orders, method GET or HEAD, header x-canary, parameter page and sort, source 10.0.0.0/8 or ::1/128, listener default (revision 1a2b)
rate limit         10 a second, 20 at once, for each remote_ip
cluster orders-v1  2 of 4 endpoints used, for 90 in 100 requests
  10.0.0.1:80      weight 3  healthy
  10.0.0.2:80      weight 1  not used: unhealthy (consul: critical)
  10.0.0.3:80      weight 0  not used: weight 0
  10.0.0.4:80      weight 1  ejected (passive: timeout)
cluster orders-v2  0 of 0 endpoints used, for 5 in 100 requests, failures are 429, 5xx: the response is 503 with the flag UH
cluster orders-v5  0 of 0 endpoints used (consul service orders: no response yet), for 0 in 100 requests: requests wait for endpoints as long as for a connection, then the response is 503 with the flag UH
cluster orders-v3  0 of 0 endpoints used, for 5 in 100 requests, so dc3 stands in
cluster dc3        0 of 0 endpoints used, for 5 in 100 requests, chosen by header x-user: 10.0.0.9:80, stands in for orders-v3: the response is 503 with the flag UH
cluster orders-v4  0 of 0 endpoints used, for 0 in 100 requests, fails over to dc2, dc3, slow start 30s: the response is 503 with the flag UH
mirror             10 % to cluster shadow, without its responses
timeout connect    2s         from bootstrap
timeout request    none       from default
attempts           at most 3  from route: retry on reset, 503, each within 1s
error pages        404, 5xx   from document
other routes, in the order in which they are tried:
  all   it fits too, but orders comes first: its host is more specific
  blog  the host is not blog.example.com
  and 7 more
`

// explaining is an admin port that gives one answer; it gives its address.
func explaining(t *testing.T, asked *route.ExplainRequest, e *route.Explanation, err error) string {
	t.Helper()
	return showing(t, sidecar.View{Explain: func(q route.ExplainRequest) (*route.Explanation, error) {
		*asked = q
		return e, err
	}})
}

func TestExplain(t *testing.T) {
	var asked route.ExplainRequest
	address := explaining(t, &asked, explanationFixture(), nil)
	got := do(t, Process{}, "explain", "--admin-listen", address, "PATCH", "http://a/x?y=1&z=%2F#", "-H", "X-A: 1, 2",
		"--header", "X-B:", "--listener", "web", "--source", "10.1.2.3", "--identity", "spiffe://a/b")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("explain: %+v, want code 0", got)
	}
	want := route.ExplainRequest{Method: "PATCH", URL: "http://a/x?y=1&z=%2F#", Fields: []string{"X-A: 1, 2", "X-B:"},
		Listener: "web", Source: "10.1.2.3", Identity: "spiffe://a/b"}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
	if got.stdout != wantExplanation {
		t.Errorf("explain:\n%s\nwant:\n%s", got.stdout, wantExplanation)
	}
}

// With sticky the cookie of each cluster is told, and at which one the client of the request stays.
func TestExplainSticky(t *testing.T) {
	for _, row := range []struct {
		stays bool
		want  string
	}{
		{false, `
cluster v1  0 of 0 endpoints used, for 9 in 10 requests, where the cookie canary=01 has clients stay, so v3 stands in
cluster v3  0 of 0 endpoints used, for 9 in 10 requests, stands in for v1: the response is 503 with the flag UH
cluster v2  0 of 0 endpoints used, for 1 in 10 requests, where the cookie canary=02 has clients stay: the response is 503 with the flag UH
`},
		{true, `
cluster v1  0 of 0 endpoints used, where the cookie canary=01 has its client stay, so v3 stands in
cluster v3  0 of 0 endpoints used, stands in for v1: the response is 503 with the flag UH
cluster v2  0 of 0 endpoints used, where its client does not stay: the response is 503 with the flag UH
`},
	} {
		e := explanationFixture()
		e.Others, e.More, e.Retries, e.Timeouts = nil, 0, nil, nil
		e.Mirror, e.ErrorPages = "", nil
		e.Clusters = []route.ClusterShare{
			{Share: 9, StickyBy: "canary=01", Stays: row.stays, Status: cluster.Status{Name: "v1",
				Failover: &cluster.FailoverStatus{Order: []string{"v3"}, Active: "v3"}}},
			{Share: 9, StandsInFor: "v1", Status: cluster.Status{Name: "v3"}},
			{Share: 1, StickyBy: "canary=02", Status: cluster.Status{Name: "v2"}},
		}
		var asked route.ExplainRequest
		got := do(t, Process{}, "explain", "--admin-listen", explaining(t, &asked, e, nil), "GET", "http://a/").stdout
		if !strings.HasSuffix(got, row.want) {
			t.Errorf("stays %v:\n%s\nwant at its end\n%s", row.stays, got, row.want)
		}
	}
}

// By what a route was taken is told of each kind of path.
func TestExplainPaths(t *testing.T) {
	for _, row := range []struct {
		won  route.RouteWon
		want string
	}{
		{route.RouteWon{PathPrefix: "/"}, "any host, prefix /"},
		{route.RouteWon{Path: "/a"}, "any host, path /a"},
		{route.RouteWon{PathRegex: "/u/[0-9]+"}, "any host, path_regex /u/[0-9]+"},
		{
			route.RouteWon{Host: "*.b.test", HostMatch: "wildcard", Path: "/a",
				Conditions: route.Conditions{Source: []string{"10.0.0.0/8"}}},
			"host *.b.test (wildcard), path /a, source 10.0.0.0/8",
		},
	} {
		if got := matched(&row.won); got != row.want {
			t.Errorf("%+v: %s, want %s", row.won, got, row.want)
		}
	}
}

// Who may is told, and whether the client may.
func TestExplainAccess(t *testing.T) {
	rules := "  deny source     10.9.0.0/16\n  allow source    10.0.0.0/8, ::1/128 and 3 more\n" +
		"  allow identity  spiffe://td/web\n"
	for _, row := range []struct {
		refused string
		unsaid  []string
		want    string
	}{
		{"", nil, "let in"},
		{"the client's address is in deny.sources", []string{"identity"},
			"refused with 403 (AC): the client's address is in deny.sources"},
		{"", []string{"source", "identity"}, "depends on who asks: say --source and --identity"},
	} {
		e := &route.Explanation{Route: &route.RouteWon{Name: "a", PathPrefix: "/"}, Access: &route.AccessInForce{
			Allow: route.AccessList{Sources: []string{"10.0.0.0/8", "::1/128"}, MoreSources: 3,
				Identities: []string{"spiffe://td/web"}},
			Deny: route.AccessList{Sources: []string{"10.9.0.0/16"}}, Refused: row.refused, Unsaid: row.unsaid,
		}}
		var b strings.Builder
		if err := explanation(&b, e); err != nil {
			t.Fatal(err)
		}
		if want := "access           " + " " + row.want + "\n" + rules; !strings.Contains(b.String(), want) {
			t.Errorf("explain:\n%s\nwant:\n%s", b.String(), want)
		}
	}
}

func TestExplainPassword(t *testing.T) {
	e := &route.Explanation{Route: &route.RouteWon{Name: "a", PathPrefix: "/"}, Access: &route.AccessInForce{
		BasicAuth:    &route.PasswordsInForce{File: "users.htpasswd", Users: 2, Realm: "shop"},
		ExternalAuth: &route.ExternalAuthInForce{Cluster: "auth", Path: "/check", Timeout: "1s", OnError: "deny"},
	}}
	var b strings.Builder
	if err := explanation(&b, e); err != nil {
		t.Fatal(err)
	}
	want := "access           let in with a password, if another service says so\n" +
		"  basic_auth     users.htpasswd (2 users), realm shop\n" +
		"  external_auth  cluster auth, path /check, within 1s, on error deny\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("explain:\n%s\nwant:\n%s", b.String(), want)
	}
}

// A route that answers itself has neither clusters nor timeouts.
func TestExplainReply(t *testing.T) {
	for _, row := range []struct {
		reply route.ReplyOfRoute
		want  string
	}{
		{route.ReplyOfRoute{Status: 204}, "reply    204 by the route itself\n"},
		{
			route.ReplyOfRoute{Status: 308, Location: "https://a/b"},
			"reply    308 by the route itself, to https://a/b\n",
		},
		{
			route.ReplyOfRoute{Status: 503, ContentType: "text/html", Bytes: 12},
			"reply    503 by the route itself, 12 bytes of text/html\n",
		},
	} {
		var asked route.ExplainRequest
		e := &route.Explanation{Revision: "1a2b", Method: "GET", Host: "a", Path: "/", Reply: &row.reply,
			Route: &route.RouteWon{Name: "down", PathPrefix: "/"}}
		got := do(t, Process{}, "explain", "GET", "http://a/", "--admin-listen", explaining(t, &asked, e, nil))
		want := "request  GET a/\nroute    down: any host, prefix / (revision 1a2b)\n" + row.want
		if got.code != 0 || got.stdout != want {
			t.Errorf("explain: %+v, want code 0 and\n%s", got, want)
		}
	}
}

// What is edited has a line for each head and origin.
func TestExplainHeaders(t *testing.T) {
	var asked route.ExplainRequest
	e := &route.Explanation{Revision: "1a2b", Method: "GET", Host: "a", Path: "/",
		Route: &route.RouteWon{Name: "down", PathPrefix: "/"}, UpstreamPath: "/b",
		Headers: []route.HeaderEdit{
			{Of: "request", Edit: "remove", Name: "x-a", From: "document"},
			{Of: "request", Edit: "set", Name: "x-a", From: "route"},
			{Of: "request", Edit: "add", Name: "x-b", From: "route"},
			{Of: "response", Edit: "set", Name: "x-c", From: "route"},
		}}
	got := do(t, Process{}, "explain", "GET", "http://a/", "--admin-listen", explaining(t, &asked, e, nil))
	want := `request           GET a/
route             down: any host, prefix / (revision 1a2b)
upstream path     /b
request headers   remove x-a        from document
request headers   set x-a, add x-b  from route
response headers  set x-c           from route
`
	if got.code != 0 || got.stdout != want {
		t.Errorf("explain: %+v, want code 0 and\n%s", got, want)
	}
}

func TestExplainNoRoute(t *testing.T) {
	var asked route.ExplainRequest
	e := &route.Explanation{Method: "GET", Host: "a", Path: "/",
		Others: []route.RouteLost{{Name: "blog", Reason: "the host is not blog.example.com"}}}
	address := explaining(t, &asked, e, nil)
	got := do(t, Process{Environ: []string{"GATEWAY_ADMIN_LISTEN=" + address}}, "explain", "GET", "http://a/")
	want := `request  GET a/
route    none: the response is 404 with the flag NR
other routes, in the order in which they are tried:
  blog  the host is not blog.example.com
`
	if got.code != 1 || got.stderr != "" || got.stdout != want {
		t.Errorf("explain: %+v, want code 1 and\n%s", got, want)
	}
}

func TestExplainJSON(t *testing.T) {
	var asked route.ExplainRequest
	got := do(t, Process{}, "explain", "--json", "GET", "http://a/", "--admin-listen",
		explaining(t, &asked, &route.Explanation{}, nil))
	if got.code != 1 || !strings.Contains(got.stdout, `"route": null`) {
		t.Errorf("explain --json: %+v, want code 1 and the answer", got)
	}
}

// A bad question is usage; a gateway that cannot answer is not.
func TestExplainRefused(t *testing.T) {
	var asked route.ExplainRequest
	address := explaining(t, &asked, nil, errors.New(`url "a": begins with neither http:// nor https://`))
	got := do(t, Process{}, "explain", "GET", "a", "--admin-listen", address)
	if want := "gateway: url \"a\": begins with neither http:// nor https://\n"; got.code != 2 || got.stderr != want ||
		got.stdout != "" {
		t.Errorf("explain: %+v, want code 2 and %s", got, want)
	}
	for _, row := range []struct {
		handler http.HandlerFunc
		want    string
	}{
		{func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no revision serves yet", http.StatusServiceUnavailable)
		}, "no revision serves yet\n"},
		{http.NotFound, "answered 404 Not Found (is it a gateway's?)\n"},
		{func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
			"the response is not an explanation"},
	} {
		s := httptest.NewServer(row.handler)
		got := do(t, Process{}, "explain", "GET", "http://a/", "--admin-listen", s.Listener.Addr().String())
		s.Close()
		if got.code != 1 || !strings.HasPrefix(got.stderr, "gateway: admin port "+s.Listener.Addr().String()+": "+
			row.want) {
			t.Errorf("explain: %+v, want code 1 and %q", got, row.want)
		}
	}
}
