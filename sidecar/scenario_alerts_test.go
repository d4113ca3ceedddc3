package sidecar_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

var prometheusBinary = nestedTool("prometheus")

// scraped is what a gateway answered to a scrape, and when Prometheus is told that this was. It is taken again every 15
// seconds until the next one.
type scraped struct {
	At   int // seconds
	Text string
}

// evaluated is what Prometheus makes of it.
type evaluated struct {
	Names   []string
	Alerts  map[string][]string
	Rules   []evaluatedQuery
	Queries []evaluatedQuery
}

type evaluatedQuery struct {
	Where, Expr string
	Metrics     []string
	Series      int
}

// evaluate has Prometheus' own packages read the alert rules and the dashboard, and evaluate them over scrapes.
func evaluate(t *testing.T, until int, scrapes ...scraped) (e evaluated) {
	t.Helper()
	bin, err := prometheusBinary()
	if err != nil {
		t.Fatal(err)
	}
	question, err := json.Marshal(map[string]any{
		"rules": "../deploy/prometheus/alerts.yaml", "dashboard": "../deploy/grafana/gateway.json",
		"scrapes": scrapes, "until": until,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(question), &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &e)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	return e
}

// scrape asks for the metrics, as Prometheus does.
func (g *gateway) scrape() string {
	g.t.Helper()
	code, text, err := fetch(g.admin + "/metrics")
	if err != nil || code != http.StatusOK {
		g.t.Fatalf("GET /metrics: %d %v", code, err)
	}
	return text
}

// until waits until a metric has a value above 0.
func (g *gateway) until(metric string) {
	g.t.Helper()
	sample := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + `(?:\{[^}]*\})? ([0-9.e+]+)$`)
	testserver.WaitFor(g.t, longestWait, metric+" above 0", func() bool {
		for _, m := range sample.FindAllStringSubmatch(g.scrape(), -1) {
			if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 0 {
				return true
			}
		}
		return false
	})
}

// Each alert fires for its trouble, and none fires for another, nor when all is well.
func TestAlerts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	fails := func(t *testing.T) string {
		return backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/fail" {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
	}
	for _, row := range []struct {
		name    string
		environ func(t *testing.T) env
		trouble func(t *testing.T, g *gateway) // once a scrape, for what goes on
		want    []string
	}{
		{"all is well", func(t *testing.T) env { return env{"GATEWAY_APP": fails(t)} },
			func(t *testing.T, g *gateway) { g.now("/", http.StatusOK, "") }, nil},
		{"an endpoint fails", func(t *testing.T) env { return env{"GATEWAY_APP": fails(t)} },
			func(t *testing.T, g *gateway) {
				g.now("/", http.StatusOK, "")
				g.now("/fail", http.StatusInternalServerError, "")
			}, []string{"GatewayEndpointFailing"}},
		{"an endpoint refuses", func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, strings.Replace(one(testserver.Addr(t)), "{name: c,",
				"{name: c, health_check: {type: tcp, interval: 100ms, timeout: 50ms, unhealthy_threshold: 1},", 1))}
		},
			func(t *testing.T, g *gateway) {
				g.until("gateway_upstream_panic_ratio")
				g.now("/", http.StatusBadGateway, "upstream connect failed\n")
			}, []string{"GatewayEndpointFailing", "GatewayEndpointUnhealthy", "GatewayNoHealthyEndpoint"}},
		{"a document is wrong", func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, one(app(t, "one")))}
		}, func(t *testing.T, g *gateway) {
			write(t, strings.Trim(strings.TrimPrefix(g.status().Discovery[0].Name, "file "), `"`), "routes: 7\n")
			g.rejection()
		}, []string{"GatewayRevisionRejected"}},
		{"a cluster is full", func(t *testing.T) env {
			hold := make(chan struct{})
			address := backend(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
			t.Cleanup(func() { close(hold) }) // before the backend is closed, which waits for its requests
			return env{"GATEWAY_CONFIG": documentFile(t,
				strings.Replace(one(address), "{name: c,", "{name: c, limits: {max_requests: 1},", 1))}
		}, func(t *testing.T, g *gateway) {
			for range 2 {
				go func() { _, _, _ = fetch(g.url + "/") }() // one of all waits until the end
			}
			g.until("gateway_upstream_overflow_total")
		}, []string{"GatewayClusterLimitReached"}},
		{"no connection is free", func(t *testing.T) env {
			return env{"GATEWAY_APP": app(t, "app"), "GATEWAY_MAX_CONNECTIONS": "1"}
		}, func(t *testing.T, g *gateway) {
			c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			g.until("gateway_connections")
		}, []string{"GatewayConnectionLimitReached"}},
		{"copies are dropped", func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, fmt.Sprintf(
				"routes: [{name: r, cluster: c, mirror: {cluster: shadow}}]\nclusters:\n- {name: c, endpoints: [%q]}\n"+
					"- {name: shadow, endpoints: [%q]}\n", app(t, "app"), testserver.Addr(t)))}
		}, func(t *testing.T, g *gateway) {
			g.now("/", http.StatusOK, "app")
			g.until("gateway_mirror_dropped_total")
		}, []string{"GatewayEndpointFailing", "GatewayMirrorDropped"}},
		{"certificates end", func(t *testing.T) env {
			ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
			var pairs []string
			for name, left := range map[string]time.Duration{"soon": 72 * time.Hour, "over": -time.Hour} {
				leaf := ca.Leaf(t, testcert.Leaf{DNS: []string{name + ".example"}, NotAfter: time.Now().Add(left)})
				cert, key := leaf.Write(t, dir, name)
				pairs = append(pairs, cert+":"+key)
			}
			return env{"GATEWAY_APP": app(t, "app"), "GATEWAY_TLS_CERTS": strings.Join(pairs, ",")}
		}, func(*testing.T, *gateway) {},
			[]string{"GatewayCertificateEnds", "GatewayCertificateNearItsEnd", "GatewayCertificateNearItsEnd"}},
		{"lines and spans are lost", func(t *testing.T) env {
			return env{"GATEWAY_APP": app(t, "app"), "GATEWAY_ACCESS_LOG": "/dev/full", "OTEL_TRACES_EXPORTER": "otlp",
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://" + testserver.Addr(t), "OTEL_BSP_SCHEDULE_DELAY": "20"}
		}, func(t *testing.T, g *gateway) {
			g.now("/", http.StatusOK, "app")
			g.until("gateway_access_log_dropped_total")
			g.until("gateway_spans_dropped_total")
		}, []string{"GatewayLogLinesDropped", "GatewaySpansDropped"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.name == "lines and spans are lost" {
				if _, err := os.Stat("/dev/full"); err != nil {
					t.Skip(err) // not everywhere
				}
			}
			g := up(t, row.environ(t))
			g.wait("a revision", func(s status) bool { return s.Revision.ID != "" })
			scrapes := []scraped{{0, g.scrape()}}
			for i := range 4 {
				row.trouble(t, g)
				scrapes = append(scrapes, scraped{600 + 30*i, g.scrape()})
			}
			var got []string
			for name, firing := range evaluate(t, 930, scrapes...).Alerts {
				for range firing {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, row.want) {
				t.Errorf("alerts %q, want %q", got, row.want)
			}
		})
	}
}

// What cannot be brought about from outside is one number that is changed in what a gateway answered.
func TestAlertsOfNumbers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	g := up(t, env{"GATEWAY_APP": app(t, "app")})
	g.wait("a revision", func(s status) bool { return s.Revision.ID != "" })
	well := g.scrape()
	for _, row := range []struct{ sample, value, alert string }{
		{`gateway_panics_recovered_total{gateway_plane="l7"}`, "1", "GatewayPanic"},
		{`gateway_descriptors_limit`, "12", "GatewayDescriptorsNearTheirLimit"},
	} {
		sample := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(row.sample) + ` .*$`)
		if !sample.MatchString(well) {
			t.Errorf("/metrics has no %s", row.sample)
			continue
		}
		later := sample.ReplaceAllString(well, row.sample+" "+row.value)
		alerts := evaluate(t, 690, scraped{0, well}, scraped{600, later}).Alerts
		if got := slices.Sorted(maps.Keys(alerts)); !slices.Equal(got, []string{row.alert}) {
			t.Errorf("%s is %s: alerts %q, want %s", row.sample, row.value, got, row.alert)
		}
	}
}

var discoveryAge = regexp.MustCompile(`(?m)^gateway_discovery_age_seconds .*$`)

// A gateway that follows Consul: its alerts, and the dashboard, of which each query finds what it asks for.
func TestDashboard(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	consul := testserver.Consul(t)
	plain, secure, tcp := testserver.Addr(t), testserver.Addr(t), testserver.Addr(t)
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	leaf := ca.Leaf(t, testcert.Leaf{DNS: []string{"shop.example"}, NotAfter: time.Now().Add(60 * 24 * time.Hour)})
	cert, key := leaf.Write(t, dir, "shop")
	well := app(t, "shop")
	came, release := make(chan struct{}), make(chan struct{})
	slow := backend(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		came <- struct{}{}
		<-release
	}))
	consul.Register(testserver.Service{Name: "shop", Port: port(t, well)})
	base := fmt.Sprintf(`
listeners:
- {name: plain, address: %q, protocol: http}
- {name: secure, address: %q, protocol: http, tls: {certificates: [{cert_file: %q, key_file: %q}]}}
- {name: tcp, address: %q, protocol: tcp, cluster: spare}
clusters:
- {name: shop, consul: {service: shop}}
- {name: spare, endpoints: [%q]}
- {name: away, endpoints: [%q, %[6]q], failover: [spare], passive_health: {consecutive_failures: 1}}
- {name: none, consul: {service: none}}
- {name: full, endpoints: [%[8]q], limits: {max_requests: 1}}
- {name: dead, endpoints: [%[7]q]}
routes:
- {name: shop, match: {path_prefix: /}, cluster: shop}
- {name: away, match: {path_prefix: /away}, cluster: away}
- {name: dead, match: {path_prefix: /dead}, cluster: dead, retries: {attempts: 2, on: [connect-failure]}}
- {name: full, match: {path_prefix: /full}, cluster: full}
- {name: copied, match: {path_prefix: /copied}, cluster: shop, mirror: {cluster: dead}}
`, plain, secure, cert, key, tcp, well, testserver.Addr(t), slow)
	const kv = "gateway/web/config"
	consul.KVPut(kv, base)
	g := serve(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SERVICE": "web", "GATEWAY_LISTEN": ""})
	g.url = "http://" + plain
	g.answers("/", http.StatusOK, "shop")
	scrapes := []scraped{{0, g.scrape()}}

	tlsClient := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "shop.example"}}}
	for i := range 4 {
		g.now("/", http.StatusOK, "shop")
		g.now("/dead", http.StatusBadGateway, "upstream connect failed\n")
		g.now("/copied", http.StatusOK, "shop")
		g.until("gateway_mirror_dropped_total")
		for range 2 { // one of two endpoints is put out
			_, _, _ = fetch(g.url + "/away")
		}
		held := make(chan struct{})
		go func() {
			defer close(held)
			_, _, _ = fetch(g.url + "/full")
		}()
		<-came
		if code, _, err := fetch(g.url + "/full"); code != http.StatusServiceUnavailable {
			t.Errorf("over the limit: %d, %v", code, err)
		}
		release <- struct{}{}
		<-held
		if _, body, err := fetchBy(&tlsClient, "https://"+secure); err != nil || body != "shop" {
			t.Errorf("over TLS: %q, %v", body, err)
		}
		if c, err := tls.Dial("tcp", secure, &tls.Config{ServerName: "shop.example"}); err == nil {
			c.Close()
			t.Error("a client that trusts nobody is content")
		}
		if _, body, err := fetchBy(&tlsClient, "http://"+tcp); err != nil || body != "shop" {
			t.Errorf("over TCP: %q, %v", body, err)
		}
		scrapes = append(scrapes, scraped{120 + 30*i, g.scrape()})
	}
	// A document is wrong, one that would leave a route without endpoints is held, the last instance leaves the
	// catalog, and then Consul goes away.
	consul.KVPut(kv, "routes: 7\n")
	g.rejection()
	consul.KVPut(kv, strings.Replace(base, "path_prefix: /}, cluster: shop", "path_prefix: /}, cluster: none", 1))
	g.until("gateway_revision_held_ratio")
	consul.Deregister("shop")
	g.until("gateway_upstream_held")
	scrapes = append(scrapes, scraped{300, g.scrape()})
	consul.Stop()
	g.until(`gateway_discovery_errors_total{error_type="transport"}`)
	g.now("/", http.StatusOK, "shop")
	// The one thing that is not waited for: Consul has been away for an hour.
	last := discoveryAge.ReplaceAllString(g.scrape(), "gateway_discovery_age_seconds 3600")
	scrapes = append(scrapes, scraped{330, last})

	e := evaluate(t, 360, scrapes...)
	if _, stale := e.Alerts["GatewayDiscoveryStale"]; !stale {
		t.Errorf("alerts %q, want GatewayDiscoveryStale", slices.Sorted(maps.Keys(e.Alerts)))
	}
	names := e.Names
	for _, q := range slices.Concat(e.Rules, e.Queries) {
		for _, m := range q.Metrics {
			if !slices.Contains(names, m) {
				t.Errorf("%s: %s names %s, which /metrics does not have", q.Where, q.Expr, m)
			}
		}
	}
	for _, q := range e.Queries {
		if q.Series == 0 {
			t.Errorf("%s: %s finds nothing", q.Where, q.Expr)
		}
	}
	if len(e.Queries) < 30 || len(e.Rules) < 10 {
		t.Errorf("%d queries and %d alerts, want all of them", len(e.Queries), len(e.Rules))
	}
	// The document stays held.
	held := evaluate(t, 700, scrapes[0], scraped{30, last}).Alerts
	if _, ok := held["GatewayRevisionHeld"]; !ok {
		t.Errorf("alerts %q, want GatewayRevisionHeld", slices.Sorted(maps.Keys(held)))
	}
}

// The dashboard can be imported as it is: panels have ids of their own and do not overlap.
func TestDashboardPanels(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "grafana", "gateway.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.Token(); err != io.EOF || d.Title == "" || d.UID == "" {
		t.Errorf("title %q, uid %q, end %v", d.Title, d.UID, err)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: the id %d is not its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s stands on %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
