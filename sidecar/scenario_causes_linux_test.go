package sidecar_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// statusLines are the first lines of what gateway status prints, whether or not the gateway is ready.
func (g *gateway) statusLines(n int) string {
	g.t.Helper()
	path, err := binary()
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := exec.Command(path, "status", "--admin-listen", strings.TrimPrefix(g.admin, "http://")).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		g.t.Fatalf("gateway status: %v", err)
	}
	lines := strings.Split(string(out), "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

// metric is the sum of the series of /metrics of one name, or of those of its first labels.
func (g *gateway) metric(begins string) (sum float64) {
	g.t.Helper()
	rest := `(?:\{.*)?`
	if strings.Contains(begins, "{") {
		rest = `.*`
	}
	code, text, err := fetch(g.admin + "/metrics")
	if err != nil || code != http.StatusOK {
		g.t.Fatalf("GET /metrics: %d, %v", code, err)
	}
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(begins) + rest + ` ([-+.0-9e]+)$`)
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			g.t.Fatalf("/metrics: %v in %q", err, m[0])
		}
		sum += v
	}
	return sum
}

// silent is the address of an endpoint whose machine is gone: connecting to it gets no answer, since the queue of its
// listener is full.
func silent(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err := errors.Join(err, unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for { // until one gets no answer
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}

// asks makes requests, whatever becomes of them.
func (g *gateway) asks(n int, path string) {
	for range n {
		_, _, _ = fetch(g.url + path)
	}
}

// pageTrouble is what the page shows at its top, once it has been drawn.
func (b *browser) pageTrouble(g *gateway) string {
	b.t.Helper()
	b.open(g.admin+"/", 1200, false)
	b.wait(`!document.getElementById('main').hidden`)
	return fmt.Sprint(b.do(command{"eval": `document.getElementById('trouble').innerText`}))
}

// Each trouble that wakes an operator is named in the first ten lines of the status, and in what the page reads and
// shows. It can also be seen in the metrics.
func TestEveryCauseIsNamed(t *testing.T) {
	t.Parallel()
	one := func(endpoints, more string) string {
		return "routes: [{name: shop, cluster: orders" + more + "}]\nclusters: [{name: orders, passive_health: " +
			"{consecutive_failures: 1000}, endpoints: [" + endpoints + "]}]\n"
	}
	var away *testserver.ConsulServer // for one row
	all := newBrowser(t)
	var page sync.Mutex // one row at a time looks at it
	for name, row := range map[string]struct {
		environ func(t *testing.T) env
		trouble func(t *testing.T, g *gateway)
		cause   string // a pattern
		metric  string // that is at least
		least   float64
	}{
		"an instance is dead": {func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, "timeouts: {connect: 100ms}\n"+one(silent(t), ""))}
		}, func(_ *testing.T, g *gateway) { g.asks(4, "/") },
			`cluster orders: 4 of 4 attempts failed in the last minute: UF 4; ` +
				`127\.0\.0\.1:\d+: connect: .*(timeout|within|no )`,
			`http_client_request_duration_seconds_count{error_type="UF",gateway_cluster="orders"`, 4},
		"it refuses": {func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, one(testserver.Addr(t), ""))}
		}, func(_ *testing.T, g *gateway) { g.asks(4, "/") },
			`cluster orders: 4 of 4 attempts failed .*UF 4; 127\.0\.0\.1:\d+: connect: connection refused, 4 in a row`,
			`gateway_faults_total{gateway_flag="UF"}`, 4},
		"it answers 500": {func(t *testing.T) env {
			fails := backend(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
			return env{"GATEWAY_CONFIG": documentFile(t, one(fails, ""))}
		}, func(_ *testing.T, g *gateway) { g.asks(4, "/") },
			`cluster orders: 4 of 4 attempts failed in the last minute: 5xx 4`,
			`http_client_request_duration_seconds_count{error_type="500",gateway_cluster="orders"`, 4},
		"it times out": {func(t *testing.T) env {
			hangs := backend(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			return env{"GATEWAY_CONFIG": documentFile(t, one(hangs, ", timeouts: {upstream: 50ms}"))}
		}, func(_ *testing.T, g *gateway) { g.asks(4, "/") },
			`cluster orders: 4 of 4 attempts failed in the last minute: UT 4; 127\.0\.0\.1:\d+: upstream timeout`,
			`gateway_faults_total{gateway_flag="UT"}`, 4},
		"it is slow": {func(t *testing.T) env {
			fast := app(t, "fast")
			slow := backend(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(150 * time.Millisecond):
				case <-r.Context().Done():
				}
			}))
			return env{"GATEWAY_CONFIG": documentFile(t, one(fast+", "+slow, ""))}
		}, func(_ *testing.T, g *gateway) { g.asks(24, "/") },
			`cluster orders: 127\.0\.0\.1:\d+ is slow: p50 1\d\d ms in the last minute, that of the others \d\.\d ms`,
			`http_client_request_duration_seconds_sum{gateway_cluster="orders"`, 1.5},
		"clients are limited": {func(t *testing.T) env {
			return env{"GATEWAY_CONFIG": documentFile(t, one(app(t, ""), ", rate_limit: {rate: 0.01}"))}
		}, func(_ *testing.T, g *gateway) { g.asks(5, "/") },
			`4 requests refused by a rate limit in the last minute \(RL\): route shop 4`,
			`gateway_faults_total{gateway_flag="RL"}`, 4},
		"a cluster is full": {func(t *testing.T) env {
			hangs := backend(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			return env{"GATEWAY_CONFIG": documentFile(t, strings.Replace(one(hangs, ""), "{name: orders, passive",
				"{name: orders, limits: {max_requests: 1, max_pending: 0}, passive", 1))}
		}, func(t *testing.T, g *gateway) {
			c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			testserver.WaitFor(t, longestWait, "a request to take the place",
				func() bool { return strings.Contains(g.statusLines(100), "1 in flight") })
			g.asks(3, "/")
		}, `cluster orders: 3 requests refused in the last minute, since a limit was reached \(UO\); 1 in flight now`,
			`gateway_upstream_overflow_total{gateway_cluster="orders"`, 3},
		"clients wait": {func(t *testing.T) env {
			return env{"GATEWAY_MAX_CONNECTIONS": "2", "GATEWAY_APP": app(t, "")}
		}, func(t *testing.T, g *gateway) {
			for range 3 {
				c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
			}
		}, `2 of 2 connections are open, so new clients wait: GATEWAY_MAX_CONNECTIONS`, `gateway_connections{`, 2},
		"descriptors are gone": {func(t *testing.T) env { return env{"GATEWAY_APP": app(t, "")} },
			func(t *testing.T, g *gateway) {
				limit := uint64(g.metric("gateway_descriptors")) + 20
				most := unix.Rlimit{Cur: limit, Max: limit}
				if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, &most, nil); err != nil {
					t.Fatal(err)
				}
			}, `\d+ of \d+ file descriptors are in use: raise the limit`, `gateway_descriptors`, 1},
		"a certificate has ended": {func(t *testing.T) env {
			cert, key := testcert.NewCA(t, "ca").Leaf(t, testcert.Leaf{DNS: []string{"a.test"},
				NotAfter: time.Now().Add(-3 * time.Hour)}).Write(t, t.TempDir(), "old")
			return env{"GATEWAY_APP": app(t, ""), "GATEWAY_TLS_CERTS": cert + ":" + key}
		}, nil, `certificate \S+old.pem: EXPIRED 3 h ago`, `-gateway_tls_certificate_expiry_seconds`, 3 * 3600},
		"Consul is away": {func(t *testing.T) env {
			away = testserver.Consul(t)
			away.Register(testserver.Service{Name: "orders", Port: 1})
			away.KVPut("gateway/app/config",
				"routes: [{name: a, cluster: o}]\nclusters: [{name: o, consul: {service: orders}}]\n")
			return env{"CONSUL_HTTP_ADDR": away.Addr()}
		}, func(_ *testing.T, g *gateway) {
			g.wait("the document", func(s status) bool { return s.Revision.Source == "consul" })
			away.Stop()
		}, `Consul: kv "gateway/app/config" and 1 more: .*connection refused.* \(the answer of \d+ s ago holds\)`,
			`gateway_discovery_errors_total{error_type="transport"}`, 1},
		"the token has no right": {func(t *testing.T) env {
			consul := testserver.Consul(t, testserver.DenyByDefault)
			consul.KVPut("gateway/app/config", "routes: [{name: a, cluster: app}]")
			return env{"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN": consul.NewToken("").Secret,
				"GATEWAY_APP": app(t, "")}
		}, nil, `kv "gateway/app/config".*: status 403: Permission denied`,
			`gateway_discovery_errors_total{error_type="acl"}`, 1},
		"a service has a typo": {func(t *testing.T) env {
			consul := testserver.Consul(t)
			consul.Register(testserver.Service{Name: "orders", Port: 1})
			return env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SOURCE": "env", "GATEWAY_ROUTES": "/=orders",
				"GATEWAY_UPSTREAMS": "orders=consul:ordres"}
		}, func(_ *testing.T, g *gateway) { g.asks(1, "/") },
			`cluster orders: no endpoint can be used: consul service ordres: not in the catalog`,
			`gateway_faults_total{gateway_flag="UH"}`, 1},
		"Consul calls an instance critical": {func(t *testing.T) env {
			consul := testserver.Consul(t)
			consul.Register(testserver.Service{Name: "orders", ID: "orders-1", Port: 1})
			consul.Register(testserver.Service{Name: "orders", ID: "orders-2", Port: 2})
			consul.Call(http.MethodPut, "/v1/agent/check/update/set-by-test:orders-2",
				map[string]string{"Status": "critical", "Output": "pool: 50 of 50 in use"})
			return env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SOURCE": "env", "GATEWAY_ROUTES": "/=orders",
				"GATEWAY_UPSTREAMS": "orders=consul:orders"}
		}, nil,
			`cluster orders: 1 of 2 endpoints is not healthy: \S+:2 unhealthy \(consul: critical, ` +
				`check "Service 'orders' ` +
				`check": pool: 50 of 50 in use\)`,
			`gateway_upstream_endpoints{gateway_cluster="orders",gateway_state="unhealthy"`, 1},
		"a document is bad": {func(t *testing.T) env {
			return env{"GATEWAY_APP": app(t, ""),
				"GATEWAY_CONFIG": documentFile(t, "routes: [{name: a, cluster: nobody}]\n")}
		}, nil, `the newest document is rejected: 1:\d+: routes\[0\]\.cluster: cluster nobody is not defined`,
			`gateway_revision_rejected_total{gateway_reason="invalid"}`, 1},
		"the log's disk is full": {func(t *testing.T) env {
			return env{"GATEWAY_APP": app(t, ""), "GATEWAY_ACCESS_LOG": "/dev/full"}
		}, func(_ *testing.T, g *gateway) { g.asks(3, "/") },
			`the access log cannot be written: write /dev/full: no space left on device \(\d+ lines lost`,
			`gateway_access_log_dropped_total`, 1},
		"a client's certificate is foreign": {func(t *testing.T) env {
			ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
			cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}}).Write(t, dir, "a")
			roots := filepath.Join(dir, "roots.pem")
			write(t, roots, string(ca.PEM()))
			return env{"GATEWAY_APP": app(t, ""), "GATEWAY_TLS_CERTS": cert + ":" + key, "GATEWAY_TLS_CLIENT_CA": roots}
		}, func(t *testing.T, g *gateway) {
			foreign := testcert.NewCA(t, "elsewhere").Leaf(t, testcert.Leaf{DNS: []string{"b.test"}}).TLS(t)
			config := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (
				*tls.Certificate, error) {
				return &foreign, nil
			}}
			for range 3 {
				c, err := tls.Dial("tcp", strings.TrimPrefix(g.url, "http://"), config)
				if err == nil {
					_, _ = c.Read(make([]byte, 1)) // the refusal comes after the client's part of the handshake
					c.Close()
				}
			}
		}, `listener default: 3 of 3 TLS handshakes failed in the last minute: .*(authority|unknown|CA)`,
			`gateway_tls_handshakes_total{gateway_listener="default",gateway_result="error"`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := row.environ(t)
			g := up(t, environ)
			g.wait("a revision", func(s status) bool { return s.Revision.ID != "" })
			page.Lock() // before it, since what is told of the last minute is gone after it
			defer page.Unlock()
			if row.trouble != nil {
				row.trouble(t, g)
			}
			cause := regexp.MustCompile(row.cause)
			g.wait("the cause "+row.cause+" in /status", func(s status) bool {
				return slices.ContainsFunc(append(s.Trouble, s.Reasons...), cause.MatchString)
			})
			if lines := g.statusLines(10); !cause.MatchString(lines) {
				t.Errorf("the first ten lines have no %s:\n%s", row.cause, lines)
			}
			b := &browser{t: t, in: all.in, out: all.out}
			if shown := b.pageTrouble(g); !cause.MatchString(shown) {
				t.Errorf("the page has no %s at its top:\n%s", row.cause, shown)
			}
			sign, pattern := 1.0, row.metric
			if rest, negative := strings.CutPrefix(pattern, "-"); negative {
				sign, pattern = -1, rest
			}
			if got := sign * g.metric(pattern); got < row.least {
				t.Errorf("%s in /metrics is %v, want %v at least", row.metric, got, row.least)
			}
		})
	}
}

// The alert on descriptors fires when they are nearly gone, and no other does.
func TestAlertOfDescriptors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	g := serve(t, env{"GATEWAY_APP": app(t, "")})
	scrapes := []scraped{{0, g.scrape()}}
	limit := uint64(g.metric("gateway_descriptors")) + 1
	most := unix.Rlimit{Cur: limit, Max: limit}
	if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, &most, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		scrapes = append(scrapes, scraped{600 + 30*i, g.scrape()})
	}
	if got := slices.Collect(maps.Keys(evaluate(t, 930, scrapes...).Alerts)); !slices.Equal(got,
		[]string{"GatewayDescriptorsNearTheirLimit"}) {
		t.Errorf("alerts %q, want the one on descriptors", got)
	}
}
