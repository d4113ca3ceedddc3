package sidecar_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// bootLimit is how long after its start something serves at the latest.
const bootLimit = 2*time.Second + 500*time.Millisecond

// bootstrapServes starts a gateway with an app and waits until that is served.
func bootstrapServes(t *testing.T, environ env) *gateway {
	t.Helper()
	environ["GATEWAY_APP"] = app(t, "bootstrap")
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "bootstrap")
	if took := g.servedAfter(); took > bootLimit {
		t.Errorf("the bootstrap served after %v, want at most %v", took, bootLimit)
	}
	return g
}

// Consul is away when the gateway starts, and comes later.
func TestBootWithoutConsul(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.Register(testserver.Service{Name: "late", Port: port(t, app(t, "late"))})
	consul.KVPut("gateway/app/config", one(app(t, "document")))
	consul.Stop()
	g := bootstrapServes(t, env{
		"CONSUL_HTTP_ADDR":  consul.Addr(),
		"GATEWAY_UPSTREAMS": "late=consul:late",
		"GATEWAY_ROUTES":    "/late=late",
	})
	if code, _, _ := fetch(g.admin + "/ready"); code != http.StatusOK {
		t.Errorf("/ready = %d without Consul, want 200: the bootstrap serves", code)
	}
	g.now("/late", http.StatusServiceUnavailable, "no healthy upstream\n")
	if s := g.status(); s.Revision.Source != "env" || s.Source != "consul" {
		t.Errorf("revision of %q, source %q; want env, consul", s.Revision.Source, s.Source)
	}
	requests := g.load("/")
	consul.Start()
	g.wait("Consul's document", func(s status) bool { return s.Revision.Source == "consul" })
	g.answers("/", http.StatusOK, "document")
	consul.Pass("late")
	g.answers("/late", http.StatusOK, "late")
	requests.none(t)
}

// Consul is there when the gateway starts, takes connections and says nothing.
func TestBootWithHangingConsul(t *testing.T) {
	t.Parallel()
	silent := testserver.Listen(t) // the kernel accepts, nobody answers
	t.Run("consul source", func(t *testing.T) {
		t.Parallel()
		bootstrapServes(t, env{
			"CONSUL_HTTP_ADDR":  silent.Addr().String(),
			"GATEWAY_UPSTREAMS": "users=consul:users",
			"GATEWAY_ROUTES":    "/users=users",
		})
	})
	t.Run("env source, clusters from the catalog", func(t *testing.T) {
		t.Parallel()
		bootstrapServes(t, env{
			"CONSUL_HTTP_ADDR":  silent.Addr().String(),
			"GATEWAY_SOURCE":    "env",
			"GATEWAY_UPSTREAMS": "users=consul:users",
			"GATEWAY_ROUTES":    "/users=users",
		})
	})
}

// Consul stops talking between the document and the endpoints: the document serves
// in time all the same, with what there is.
func TestBootWithHalfAConsul(t *testing.T) {
	t.Parallel()
	static := app(t, "static")
	document := "routes: [{name: s, match: {path_prefix: /s}, cluster: s}, {name: d, cluster: d}]\n" +
		"clusters: [{name: s, endpoints: [\"" + static + "\"]}, {name: d, consul: {service: slow}}]\n"
	consul := testserver.Consul(t)
	consul.KVPut("gateway/app/config", document)
	relay := newRelay(t, consul.Addr(), func(request string) bool { return !strings.Contains(request, "/v1/health/") })
	g := launch(t, env{"CONSUL_HTTP_ADDR": relay})
	g.answers("/s", http.StatusOK, "static")
	if took := g.servedAfter(); took > bootLimit {
		t.Errorf("the document served after %v, want at most %v", took, bootLimit)
	}
	g.now("/", http.StatusServiceUnavailable, "no healthy upstream\n")
	if code, why, _ := fetch(g.admin + "/ready"); code != http.StatusServiceUnavailable ||
		why != "no endpoints received yet: service slow\n" {
		t.Errorf("/ready = %d %q, want 503 and the service", code, why)
	}
	testserver.WaitFor(t, longestWait, "the gateway to be ready all the same", func() bool {
		code, _, _ := fetch(g.admin + "/ready")
		return code == http.StatusOK
	})
	if took := time.Since(g.status().Started); took < 9*time.Second || took > 12*time.Second {
		t.Errorf("ready after %v, want some 10s", took)
	}
}

// A first document that is bad: the bootstrap serves, and says why.
func TestBootWithBadDocument(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.KVPut("gateway/app/config", "routes: [{name: all, cluster: nobody}]")
	g := bootstrapServes(t, env{"CONSUL_HTTP_ADDR": consul.Addr()})
	if why := g.rejection(); len(why) != 1 || !strings.Contains(why[0], "nobody") {
		t.Errorf("rejected for %q, want the cluster that is not there", why)
	}
	consul.KVDelete("gateway/app/config")
	g.wait("nothing to be wrong any more", func(s status) bool { return s.Revision.LastRejected == nil })
	if s := g.status(); s.Revision.Orphaned {
		t.Error("orphaned, though no document ever served")
	}
	consul.KVPut("gateway/app/config", one(app(t, "document")))
	g.answers("/", http.StatusOK, "document")
}

// newRelay is a way to Consul on which requests that pass refuses are never answered.
func newRelay(t *testing.T, to string, pass func(request string) bool) (address string) {
	t.Helper()
	return backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !pass(r.RequestURI) {
			_, _ = io.Copy(io.Discard, r.Body) // before it, the end of the connection is not noticed
			<-r.Context().Done()               // the gateway gives up, or the test ends
			return
		}
		ask, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to+r.RequestURI, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		ask.Header = r.Header
		resp, err := http.DefaultTransport.RoundTrip(ask)
		if err != nil {
			return // the gateway gave up
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // likewise
	}))
}

// Rights that are missing, or go missing: the last good holds, the alarm is seen.
func TestRights(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	consul.Register(testserver.Service{Name: "shop", Port: port(t, app(t, "shop"))})
	consul.KVPut("gateway/app/config", discovered("shop"))
	token := consul.NewToken(`key_prefix "gateway/app/" { policy = "read" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }`)
	poor := consul.NewToken(`key_prefix "gateway/app/" { policy = "read" }`)

	t.Run("of a token that is deleted", func(t *testing.T) {
		g := serve(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN": token.Secret})
		g.answers("/", http.StatusOK, "shop")
		requests := g.load("/")
		consul.DeleteToken(token)
		consul.KVPut("unrelated", "1")
		// wakes the parked request
		consul.KVPut("gateway/app/config", strings.Replace(discovered("shop"), "all", "every", 1))
		g.wait("the alarm", func(s status) bool {
			return s.Discovery[0].Class == "acl" && strings.Contains(s.Discovery[0].Error, "ACL not found")
		})
		g.waitLogged("discovery failed, the last result stays in use")
		if s := g.status(); !s.Ready || s.Revision.Orphaned || len(s.Clusters[0].Endpoints) != 1 {
			t.Errorf("without rights: ready %v, orphaned %v, %d endpoints; want the last good", s.Ready,
				s.Revision.Orphaned, len(s.Clusters[0].Endpoints))
		}
		requests.none(t)
	})
	t.Run("to services", func(t *testing.T) {
		g := launch(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN": poor.Secret})
		testserver.WaitFor(t, longestWait, "/ready to name the service and the rights", func() bool {
			_, why, _ := fetch(g.admin + "/ready")
			return why == "no endpoints received yet: service shop (filtered by ACLs: the token may not read all of "+
				"it; needed: service \"shop\" { policy = \"read\" } and node_prefix \"\" { policy = \"read\" })\n"
		})
		g.answers("/", http.StatusServiceUnavailable, "no healthy upstream\n")
		g.wait("the alarm", func(s status) bool { return len(s.Discovery) == 2 && s.Discovery[1].Class == "acl" })
	})
	t.Run("without a token", func(t *testing.T) {
		g := bootstrapServes(t, env{"CONSUL_HTTP_ADDR": consul.Addr()})
		g.wait("the alarm", func(s status) bool { return s.Discovery[0].Class == "acl" })
		if s := g.status(); s.Revision.Orphaned {
			t.Error("403 was taken for a deleted document")
		}
	})
	t.Run("of a token in a file that is replaced", func(t *testing.T) {
		file := t.TempDir() + "/token"
		write(t, file, poor.Secret)
		g := up(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN_FILE": file})
		g.wait("the alarm", func(s status) bool { return len(s.Discovery) == 2 && s.Discovery[1].Class == "acl" })
		write(t, file, consul.Token())
		g.answers("/", http.StatusOK, "shop")
	})
}

// A collector that is away is told of once, and nobody's trouble.
func TestWithoutCollector(t *testing.T) {
	t.Parallel()
	collector := testserver.Addr(t) // nobody is there
	g := serve(t, env{
		"GATEWAY_APP":                 app(t, "app"),
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + collector,
		"OTEL_METRIC_EXPORT_INTERVAL": "50",
		"GATEWAY_LOG_LEVEL":           "debug",
	})
	requests := g.load("/")
	tried := g.waitLogged("metrics not exported, trying again at each interval")
	testserver.WaitFor(t, longestWait, "some more intervals",
		func() bool { return len(g.logged("opentelemetry")) >= 2 })
	if lines := g.logged("metrics not exported, trying again at each interval"); len(lines) != 1 ||
		!strings.Contains(tried["endpoint"].(string), collector) {
		t.Errorf("%d warnings, the first of %v; want one of %s", len(lines), tried["endpoint"], collector)
	}
	requests.none(t)
}

// A collector that takes connections and says nothing does not hold up the end.
func TestEndWithHangingCollector(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	g := serve(t, env{"GATEWAY_APP": app(t, "app"), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + silent.Addr().String()})
	begun := time.Now()
	g.end()
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("the end took %v with a collector that hangs", took)
	}
}

// Consul refuses the token: /ready says so, and for which key.
func TestBootWithAWrongToken(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	g := launch(t, env{
		"CONSUL_HTTP_ADDR":  consul.Addr(),
		"CONSUL_HTTP_TOKEN": "00000000-0000-0000-0000-00000000dead",
		"GATEWAY_SERVICE":   "web",
	})
	const says = `kv "gateway/web/config" cannot be read: `
	var why string
	testserver.WaitFor(t, longestWait, "a reason that names the key", func() bool {
		_, why, _ = fetch(g.admin + "/ready")
		return strings.Contains(why, says)
	})
	if !strings.Contains(why, "403") || !strings.Contains(why, "ACL not found") {
		t.Errorf("/ready says %q, want Consul's own words", why)
	}
	if got := g.waitLogged("the bootstrap serves alone"); !strings.Contains(fmt.Sprint(got["reason"]), says) {
		t.Errorf("logged %v", got)
	}
}
