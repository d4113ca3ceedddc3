package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// bootstrap is a base such as an app and a TCP port make.
func bootstrap() Base {
	b := Standard()
	b.Listeners = []Listener{
		{Name: "default", Address: ":8080"},
		{Name: "tcp-6379", Address: ":6379", Protocol: ProtocolTCP, Cluster: "app"},
	}
	b.Routes = []Route{{Name: "app", Clusters: []WeightedCluster{{Name: "app"}}}}
	b.Clusters = []Cluster{{Name: "app", Endpoints: []Endpoint{{Address: "127.0.0.1:3000"}}}}
	return b
}

func decode(t *testing.T, text string, base Base) *Document {
	t.Helper()
	doc, err := Decode([]byte(text), base)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// problems gives what Decode says is wrong, "" for nothing.
func problems(text string, base Base) string {
	if _, err := Decode([]byte(text), base); err != nil {
		return err.Error()
	}
	return ""
}

// same fails unless both notations of a document decode to it again.
func same(t *testing.T, doc *Document, base Base) {
	t.Helper()
	yaml, err := doc.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{yaml, doc.JSON()} {
		again, err := Decode(text, base)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		again.Revision = doc.Revision // the effective document says itself what the base had said
		if !reflect.DeepEqual(again, doc) {
			t.Errorf("again = %+v\nwant    %+v\n%s", again, doc, text)
		}
	}
}

// A cluster whose name says which service it follows need not be defined; one that is defined stays as it is.
func TestFollowedClusters(t *testing.T) {
	doc := decode(t, `
listeners: [{name: l, address: ":1", protocol: tcp, cluster: "consul:redis"}]
routes:
- {name: a, match: {path_prefix: /a}, cluster: "consul:orders@v1"}
- {name: b, match: {path_prefix: /b}, clusters: [{name: "consul:orders@v1"}, {name: "consul:orders@v2"}]}
- {name: c, match: {path_prefix: /c}, cluster: "consul:own"}
clusters:
- {name: "consul:own", endpoints: ["a:1"], failover: ["consul:spare"]}
`, Base{})
	var got []string
	for _, c := range doc.Clusters {
		got = append(got, c.Name+" = "+c.Consul.String())
	}
	want := `consul:own = consul service 
consul:spare = consul service spare
consul:redis = consul service redis
consul:orders@v1 = consul service orders, tag v1
consul:orders@v2 = consul service orders, tag v2`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("clusters:\n%s\nwant:\n%s", text, want)
	}
	written := decode(t, `clusters: [{name: "consul:redis", consul: {service: redis}}]`, Base{})
	if !reflect.DeepEqual(doc.Clusters[2], written.Clusters[0]) {
		t.Errorf("cluster = %+v, want it as if it were written out: %+v", doc.Clusters[2], written.Clusters[0])
	}
	same(t, doc, Base{})
	for name, want := range map[string]string{
		"consul:": "want consul:SERVICE", "consul:@v1": "want consul:SERVICE", "consul:orders@": "want consul:SERVICE",
		"Consul:orders": "want consul:SERVICE", "consul:/orders": "want consul:SERVICE",
		"consul:../kv": "cluster consul:../kv is not defined", "consol:orders": "cluster consol:orders is not defined",
	} {
		text := problems(`routes: [{name: a, cluster: "`+name+`"}]`, Base{})
		if !strings.Contains(text, want) {
			t.Errorf("problems = %q, want %q", text, want)
		}
	}
}

func TestGoodDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.*")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, base := range []Base{{}, bootstrap()} {
				same(t, decode(t, string(data), base), base)
			}
		})
	}
}

// Every field of the model must be in the schema: the full document sets them all.
func TestFullSetsEveryField(t *testing.T) {
	data, err := os.ReadFile("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, least := decode(t, string(data), Base{}), decode(t, "routes: []", Base{})
	unset := make(map[string]bool)
	var walk func(path string, v, zero reflect.Value)
	walk = func(path string, v, zero reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[netip.Prefix]():
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i), zero.Field(i))
			}
			return
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				walk(path, v.Index(i), reflect.Zero(v.Type().Elem()))
			}
			return
		}
		if set := !reflect.DeepEqual(v.Interface(), zero.Interface()); set {
			unset[path] = false
		} else if _, known := unset[path]; !known {
			unset[path] = true
		}
	}
	walk("Document", reflect.ValueOf(*full), reflect.ValueOf(*least))
	for path, is := range unset {
		if is {
			t.Errorf("%s is set by no key of full.good.yaml", path)
		}
	}
	if len(unset) < 70 {
		t.Errorf("saw %d fields, want them all", len(unset))
	}
}

// What a document leaves out has its default, and nothing is left unset.
func TestDefaults(t *testing.T) {
	doc := decode(t, `
listeners: [{name: web, address: ":80"}, {name: l4, address: ":1", protocol: tcp, cluster: app}]
routes: [{name: all, cluster: app}]
clusters: [{name: app, endpoints: ["127.0.0.1:3000"]}]
timeouts: {tcp_idle: 1m}
`, Base{})
	want := &Document{
		Revision: doc.Revision,
		Listeners: []Listener{
			{Name: "web", Address: ":80", Protocol: ProtocolHTTP},
			{Name: "l4", Address: ":1", Protocol: ProtocolTCP, Cluster: "app", IdleTimeout: time.Minute},
		},
		Routes: []Route{{
			Name:     "all",
			Match:    Match{PathPrefix: "/"},
			Clusters: []WeightedCluster{{"app", 1}},
			Timeouts: RouteTimeouts{Upstream: 10 * time.Second, Write: 30 * time.Second},
			Retries:  Retries{Attempts: 1},
			Upgrades: []string{"websocket"},
		}},
		Clusters: []Cluster{{
			Name:          "app",
			Endpoints:     []Endpoint{{"127.0.0.1:3000", 1}},
			Protocol:      ProtocolHTTP1,
			Balance:       BalanceWRR,
			Panic:         PanicWhenNoneHealthy,
			TLS:           ClusterTLS{Mode: TLSNone},
			PassiveHealth: PassiveHealth{5, 30 * time.Second, 300 * time.Second, 50, []string{"5xx"}},
			Limits:        ClusterLimits{MaxPending: 256, RetryBudget: 0.2},
			Keepalive:     Keepalive{128, 90 * time.Second},
			SlowStart:     10 * time.Second,
		}},
		Timeouts: Timeouts{15 * time.Second, 30 * time.Second, 10 * time.Second, 2 * time.Second, time.Minute,
			time.Minute, 0},
		AccessLog: AccessLog{Enabled: true, Sampling: 1, Fields: logfield.Names()},
	}
	if !reflect.DeepEqual(doc, want) {
		t.Errorf("doc = %+v\nwant  %+v", doc, want)
	}
}

// Defaults of a bootstrap hold where a revision says nothing, wherever in the
// text it says the rest.
func TestBaseDefaults(t *testing.T) {
	base := Standard()
	base.Timeouts.Upstream, base.Timeouts.TCPMaxDuration = 3*time.Second, time.Hour
	base.Keepalive = Keepalive{MaxIdle: 7, IdleTimeout: time.Second}
	base.AccessLog.Sampling = 0.5
	doc := decode(t, `
listeners: [{name: l4, address: ":1", protocol: tcp, cluster: a}]
routes:
  - {name: a, cluster: a}
  - {name: b, match: {path_prefix: /b}, cluster: a, timeouts: {upstream: 9s}}
clusters: [{name: a, endpoints: ["a:1"], keepalive: {max_idle: 0}}]
timeouts: {write: 8s}
`, base)
	for _, row := range []struct{ what, got, want any }{
		{"upstream", doc.Routes[0].Timeouts, RouteTimeouts{Upstream: 3 * time.Second, Write: 8 * time.Second}},
		{"own upstream", doc.Routes[1].Timeouts,
			RouteTimeouts{Upstream: 9 * time.Second, UpstreamGRPC: 9 * time.Second, Write: 8 * time.Second}},
		{"keepalive", doc.Clusters[0].Keepalive, Keepalive{0, time.Second}},
		{"max duration", doc.Listeners[0].MaxDuration, time.Hour},
		{"sampling", doc.AccessLog.Sampling, 0.5},
	} {
		if row.got != row.want {
			t.Errorf("%s = %v, want %v", row.what, row.got, row.want)
		}
	}
}

// Some defaults depend on what else is said.
func TestDependentDefaults(t *testing.T) {
	base := Standard()
	base.AccessLog.Fields = nil
	doc := decode(t, `
routes:
  - {name: a, cluster: a, rate_limit: {rate: 0.5}, retries: {}}
  - {name: b, match: {path_prefix: /b}, cluster: a, rate_limit: {rate: 2.5, key: remote_ip}}
clusters:
  - {name: a, endpoints: ["a:1"], passive_health: {base_ejection: 600s}, health_check: {type: http}}
  - {name: b, endpoints: ["a:1"], health_check: {type: tcp}}
`, base)
	for _, row := range []struct{ what, got, want any }{
		{"a slow rate", doc.Routes[0].RateLimit, RateLimit{0.5, 1, RateLimitRoute}},
		{"a rate", doc.Routes[1].RateLimit, RateLimit{2.5, 3, RateLimitRemoteIP}},
		{"attempts", doc.Routes[0].Retries.Attempts, 2},
		{"reasons", doc.Routes[0].Retries.On[0], RetryConnectFailure},
		{"max ejection", doc.Clusters[0].PassiveHealth.MaxEjection, 10 * time.Minute},
		{"http path", doc.Clusters[0].HealthCheck.Path, "/"},
		{"tcp path", doc.Clusters[1].HealthCheck.Path, ""},
		{"log fields", len(doc.AccessLog.Fields), len(logfield.Names())},
	} {
		if row.got != row.want {
			t.Errorf("%s = %v, want %v", row.what, row.got, row.want)
		}
	}
	same(t, doc, base)
}

func TestTLSDefaults(t *testing.T) {
	doc := decode(t, `
listeners:
  - {name: a, address: ":1", tls: {certificates: [{cert_file: a, key_file: b}]}}
  - {name: b, address: ":2", tls: {certificates: [{cert_file: a, key_file: b}], client_ca_file: c, min_version: 1.3}}
clusters: [{name: a, endpoints: ["a:1"], tls: {}}]
`, Base{})
	a, b := doc.Listeners[0].TLS, doc.Listeners[1].TLS
	if a.ClientAuth != ClientAuthNone || a.MinVersion != "1.2" || b.ClientAuth != ClientAuthRequire ||
		b.MinVersion != "1.3" {
		t.Errorf("tls = %+v, %+v", a, b)
	}
	if doc.Clusters[0].TLS.Mode != TLSServer {
		t.Errorf("cluster tls = %+v", doc.Clusters[0].TLS)
	}
}

func TestRevision(t *testing.T) {
	const text = "routes: [{name: all, cluster: a}]\nclusters: [{name: a, endpoints: ['a:1', 'b:1']}]\n"
	first := decode(t, text, Base{}).Revision
	if len(first) != 12 {
		t.Errorf("revision = %q, want 12 hex digits", first)
	}
	other := Standard()
	other.Timeouts.Read++
	other.Timeouts.Read = 16 * time.Second
	for _, row := range []struct {
		name, text string
		base       Base
		same       bool
	}{
		{"a comment", "# hello\n" + text, Base{}, true},
		{"a default written out", text + "timeouts: {read: 15000ms}\n", Base{}, true},
		{"another value", text + "timeouts: {read: 16s}\n", Base{}, false},
		{"another base", text, other, true},
		{"what the base adds", text, bootstrap(), true},
		{"what another base adds to", "routes: [{name: all, cluster: app}]\n", bootstrap(), false},
		{"another order", strings.Replace(text, "'a:1', 'b:1'", "'b:1', 'a:1'", 1), Base{}, false},
	} {
		if got := decode(t, row.text, row.base).Revision; (got == first) != row.same {
			t.Errorf("%s: revision = %s after %s, want same = %v", row.name, got, first, row.same)
		}
	}
}

// A document is the same revision wherever it is read, and another one with each reference to what only a bootstrap
// has.
func TestRevisionIsTheDocumentsOwn(t *testing.T) {
	with := func(app string) Base {
		b := bootstrap()
		for _, name := range []string{"more", "other"} {
			b.Clusters = append(b.Clusters, Cluster{Name: name, Endpoints: []Endpoint{{Address: app, Weight: 1}}})
		}
		return b
	}
	seen := map[string]string{}
	for _, text := range []string{
		"routes: [{name: all, match: {path_prefix: /a}, cluster: more}]\n",
		"routes: [{name: all, match: {path_prefix: /a}, cluster: other}]\n",
		"routes: [{name: all, match: {path_prefix: /a}, clusters: [{name: more, weight: 1}, {name: other, " +
			"weight: 2}]}]\n",
		"routes: [{name: all, match: {path_prefix: /a}, clusters: [{name: more, weight: 2}, {name: other, " +
			"weight: 1}]}]\n",
		"listeners: [{name: l, address: ':1', protocol: tcp, cluster: more}]\n",
		"listeners: [{name: l, address: ':1', protocol: tcp, cluster: other}]\n",
	} {
		here, there := decode(t, text, with("a:1")).Revision, decode(t, text, with("b:2")).Revision
		if here != there {
			t.Errorf("%s is revision %s, and %s in another environment", text, here, there)
		}
		if same := seen[here]; same != "" {
			t.Errorf("%s is the same revision as %s", text, same)
		}
		seen[here] = text
	}
}

// However much is wrong, what is told fits a screen or two, in order.
func TestProblemsAreCapped(t *testing.T) {
	var b strings.Builder
	b.WriteString("routes:\n")
	for range 3000 {
		b.WriteString("  - {name: a, cluster: a, nonsense: 1}\n")
	}
	_, err := Decode([]byte(b.String()), Base{})
	ps, _ := err.(Problems) //nolint:errorlint // Decode promises the type itself
	if len(ps) != 101 || ps[0].Line != 2 {
		t.Fatalf("%d problems, the first %v, want 101 from line 2", len(ps), ps[0])
	}
	// 3000 unknown keys, 3000 dangling clusters, 2999 taken names.
	if last := ps[100].String(); !strings.HasSuffix(last, "document: and 8899 more problems") {
		t.Errorf("last = %q", last)
	}
	for i := 1; i < len(ps); i++ {
		if ps[i].Line < ps[i-1].Line {
			t.Fatalf("problem %d of line %d comes after line %d", i, ps[i].Line, ps[i-1].Line)
		}
	}
}

func TestDocumentIsBounded(t *testing.T) {
	big := "# " + strings.Repeat("x", MaxDocumentBytes) + "\nroutes: []\n"
	if got := problems(big, Base{}); got != "1:1: document: is larger than 8 MiB" {
		t.Errorf("a big document: %q", got)
	}
	// A parser that recursed for each bracket would be out of stack.
	for _, text := range []string{"[", "- ", "? ", "{"} {
		got := problems(strings.Repeat(text, 100_000), Base{})
		if !strings.Contains(got, "nested too deeply (more than 24 levels)") {
			t.Errorf("a deep document of %q: %q", text, got)
		}
	}
}
