package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

func testRefusals(_ *testing.T, a *author) {
	a.write(map[string]string{"bad.yaml": "routes: [{name: a, match: {path_prefix: a}, cluster: b}]\n",
		"empty.yaml": ""})
	got := a.refuses(1, "gateway: bad.yaml: 2 problems\n", "push", "bad.yaml")
	const first = "bad.yaml:1:41: routes[0].match.path_prefix: "
	if n := strings.Count(got.stdout, "\n"); n != 2 || !strings.HasPrefix(got.stdout, first) {
		a.t.Errorf("push bad.yaml: %q", got.stdout)
	}
	a.refuses(1, "gateway: bad.yaml: 2 problems\n", "diff", "bad.yaml")
	a.refuses(1, "gateway: empty.yaml: 1 problem\n", "push", "empty.yaml")
	a.refuses(1, "gateway: open none.yaml: no such file or directory\n", "push", "none.yaml")
	a.refuses(1, "gateway: none.yaml: no such file\n", "diff", "none.yaml")
	if _, there := a.consul.KV(a.key()); there {
		a.t.Error("something was pushed")
	}
	a.do("push", "slow.yaml")
	a.do("push", "fast.yaml")
	a.refuses(1, "gateway: there is no revision \"cafe\" (gateway history lists them)\n", "rollback", "cafe")
	a.refuses(1, "gateway: there is no revision \"\" (gateway history lists them)\n", "rollback", "")
	a.refuses(1, "gateway: there is no revision \"cafe\" (gateway history lists them)\n", "diff", "cafe")
	a.refuses(2, "gateway: push takes one file, several that are one document, or - for stdin (seen none)\n", "push")
	a.refuses(2, "gateway: push takes - for stdin alone, not beside files\n", "push", "slow.yaml", "-")
	a.refuses(2, "gateway: diff takes two documents at most (seen 3)\n", "diff", "a", "b", "c")
	a.refuses(2, "gateway: rollback takes one revision (seen 2)\n", "rollback", "a", "b")
	a.refuses(2, "gateway: history takes no argument (seen \"a\")\n", "history", "a")
	a.refuses(2, "gateway: flag --number: 0: want 1 or more\n", "history", "-n", "0")
	a.refuses(2, "gateway: consul key \"gateway/web/\": a folder, whose keys are put one by one (consul kv put)\n",
		"push", "slow.yaml", "--consul-key", "gateway/web/")
}

func testNotReached(_ *testing.T, a *author) {
	closed := testserver.Addr(a.t)
	for _, row := range []struct {
		name, set, want string
	}{
		{"no Consul", "CONSUL_HTTP_ADDR=" + closed, "gateway: read key " + a.key() + ": no response from Consul at " +
			closed + " (CONSUL_HTTP_ADDR): "},
		{"no token", "CONSUL_HTTP_TOKEN=", "gateway: read key " + a.key() + ": the token needs key_prefix \"gateway/" +
			a.service + "/\" { policy = \"read\" }: "},
		{"another service", "GATEWAY_SERVICE=other",
			"gateway: read key gateway/other/config: the token needs key_prefix " +
				"\"gateway/other/\" { policy = \"read\" }: "},
		{"a reader", "CONSUL_HTTP_TOKEN=" + a.consul.NewToken(`key_prefix "" { policy = "read" }`).Secret,
			"the token needs key_prefix \"gateway/" + a.service + "/\" { policy = \"write\" }: "},
	} {
		name, _, _ := strings.Cut(row.set, "=")
		other := *a
		same := func(e string) bool { return strings.HasPrefix(e, name+"=") }
		other.environ = append(slices.DeleteFunc(slices.Clone(a.environ), same), row.set)
		got := other.do("push", "slow.yaml")
		if got.code != 1 || !strings.Contains(got.stderr, row.want) || got.stdout != "" {
			a.t.Errorf("%s: %+v, want %q", row.name, got, row.want)
		}
		if got := other.do("diff", "slow.yaml", "fast.yaml"); got.code != 0 {
			a.t.Errorf("%s: two files are not compared: %+v", row.name, got)
		}
	}
}

func testWithoutInstance(_ *testing.T, a *author) {
	const none = "gateway: cluster consul:orders: service orders has no instance\n" +
		"gateway: nothing was pushed: register it first, or write --allow-empty\n"
	got := a.refuses(1, none, "push", "orders.yaml")
	if !strings.Contains(got.stdout, "means: 1 route would have no endpoint\n") {
		a.t.Errorf("push: %q", got.stdout)
	}
	const held = "\ncluster consul:orders: gateways may hold this until service orders has an\n" +
		"  instance; allow_empty: true at the cluster has them serve it at once\n"
	if got := a.do("push", "orders.yaml", "--allow-empty", "--dry-run"); got.code != 0 ||
		!strings.Contains(got.stdout, held) {
		a.t.Errorf("with --allow-empty: %+v, want %q", got, held)
	}
	a.write(map[string]string{"allowed.yaml": `
routes: [{name: orders, match: {path_prefix: /}, cluster: o}]
clusters: [{name: o, consul: {service: orders}, allow_empty: true}]
`})
	if got := a.do("push", "allowed.yaml", "--allow-empty"); got.code != 0 || strings.Contains(got.stdout, "hold") {
		a.t.Errorf("with --allow-empty and allow_empty in the document: %+v", got)
	}
	if got := a.do("push", "allowed.yaml"); got.code != 0 {
		a.t.Errorf("with allow_empty in the document: %+v", got)
	}
	a.consul.Register(testserver.Service{Name: "orders", Port: 80})
	defer a.consul.Deregister("orders")
	got = a.do("push", "orders.yaml", "--dry-run")
	if want := "\ncluster consul:orders: not looked up, the token may not read service orders\n"; got.code != 0 ||
		!strings.Contains(got.stdout, want) {
		a.t.Errorf("without the right to look it up: %+v, want %q", got, want)
	}
	a.environ = append(slices.Clone(a.environ[:1]), "CONSUL_HTTP_TOKEN="+a.consul.Token(), "GATEWAY_SERVICE="+a.service)
	if got := a.do("push", "orders.yaml"); got.code != 0 || strings.Contains(got.stdout, "not looked up") {
		a.t.Errorf("with an instance: %+v", got)
	}
}

// What takes away all that is live has to be meant so.
func testEmptying(t *testing.T, a *author) {
	a.write(map[string]string{"nothing.yaml": "routes: []\n", "tcp.yaml": `
listeners: [{name: db, address: ":3306", protocol: tcp, cluster: "consul:orders"}]
`})
	nothing := named("routes: []\n")
	a.do("push", "slow.yaml")
	const change = "- route shop\n- cluster shop\nmeans: no route is left: every request is answered with 404\n"
	const none = "gateway: no route is left of 1\n" +
		"gateway: nothing was pushed: write --allow-empty if it is meant so\n"
	if got := a.refuses(1, none, "push", "nothing.yaml"); got.stdout != change {
		t.Errorf("push: %q, want %q", got.stdout, change)
	}
	a.refuses(1, none, "push", "nothing.yaml", "--force", "--dry-run")
	a.refuses(1, "gateway: no route is left of 1\ngateway: cluster consul:orders: service orders has no instance\n"+
		"gateway: nothing was pushed: register it first, or write --allow-empty\n", "push", "tcp.yaml")
	a.says(change+"pushed "+nothing+" to "+a.key()+" (before: "+slow+")\n", "push", "nothing.yaml", "--allow-empty")
	a.says("no change\n"+nothing+" is live already\n", "push", "nothing.yaml")
	a.says("+ route shop\n+ cluster shop\npushed "+slow+" to "+a.key()+" (before: "+nothing+")\n", "rollback")
	a.refuses(1, none, "rollback")
	a.says(change+"pushed "+nothing+" to "+a.key()+" (before: "+slow+")\n", "rollback", "--allow-empty")
}

// Several files are one document.
func testFiles(t *testing.T, a *author) {
	a.write(map[string]string{
		"20-cluster.yaml": "clusters: [{name: shop, endpoints: [\"10.0.0.1:80\"]}]\n",
		"10-route.yaml":   "routes: [{name: shop, match: {path_prefix: /shop}, cluster: shop}]\n",
		"10-bad.yaml":     "routes: [{name: shop, match: {path_prefix: /shop}, cluster: shpo}]\n",
	})
	a.says("+ listener default\n+ route shop\n+ cluster shop\npushed "+slow+" to "+a.key()+"\n",
		"push", "20-cluster.yaml", "10-route.yaml")
	a.says("no change\n"+slow+" is live already\n", "push", "10-route.yaml", "20-cluster.yaml")
	a.says("no change\n", "diff", "slow.yaml")
	a.says(change+"pushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "push", "fast.yaml")
	a.says(changeBack+"pushed "+slow+" to "+a.key()+" (before: "+fast+")\n", "rollback")
	var all []pushed
	if err := json.Unmarshal([]byte(a.do("history", "-n", "1", "--json").stdout), &all); err != nil ||
		len(all[0].Files) != 2 || all[0].Files[0].Name != "10-route.yaml" {
		t.Errorf("history: %+v, %v", all, err)
	}
	got := a.refuses(1, "gateway: 20-cluster.yaml, 10-bad.yaml: 1 problem\n", "push", "20-cluster.yaml", "10-bad.yaml")
	if !strings.HasPrefix(got.stdout, "10-bad.yaml:1:") {
		t.Errorf("push: %q", got.stdout)
	}
}

// Somebody else pushes between our look and our write.
func testConflict(t *testing.T, a *author) {
	a.do("push", "slow.yaml")
	other := *a
	other.environ = slices.Concat(a.environ[:4], []string{"USER=ben"})
	var interfere atomic.Bool
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.consul.Addr()})
	transport := &http.Transport{}
	to.Transport = transport
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("cas") && interfere.CompareAndSwap(true, false) {
			other.do("push", "fast.yaml", "--note", "it was too slow")
		}
		to.ServeHTTP(w, r)
	}))
	defer transport.CloseIdleConnections()
	defer proxy.Close()
	a.environ = append(slices.Clone(a.environ[1:]), "CONSUL_HTTP_ADDR="+proxy.Listener.Addr().String())
	a.write(map[string]string{"mine.yaml": strings.ReplaceAll(slowYAML, "/shop", "/")})

	interfere.Store(true)
	const lost = "gateway: somebody else changed the document meanwhile\n" +
		"gateway: nothing was pushed: look at it, and push again to put yours in its place\n"
	got := a.refuses(1, lost, "push", "mine.yaml")
	theirs := "theirs: " + fast + " by ben@desk, it was too slow\n" + change + "yours: "
	if !strings.HasPrefix(got.stdout, theirs) || !strings.HasSuffix(got.stdout, "match.path_prefix: /shop -> /\n") {
		t.Errorf("push: %q, want %q and mine", got.stdout, theirs)
	}
	a.says(change, "diff") // theirs is live

	a.do("rollback")
	interfere.Store(true)
	var out pushOutcome
	got = a.refuses(1, lost, "push", "mine.yaml", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || out.Theirs == nil {
		t.Fatalf("push --json: %s, %v", got.stdout, err)
	}
	if their := out.Theirs; out.Pushed || their.Revision != fast || their.By != "ben@desk" || len(their.Changes) != 2 ||
		len(out.Changes) != 1 {
		t.Errorf("push --json: %s", got.stdout)
	}
	if got := a.do("push", "mine.yaml"); got.code != 0 {
		t.Errorf("push again: %+v", got)
	}
}

func testDamaged(_ *testing.T, a *author) {
	a.do("push", "slow.yaml")
	a.consul.Call(http.MethodDelete, "/v1/kv/gateway/"+a.service+"/history/?recurse", nil)
	got := a.do("diff", "fast.yaml")
	const why = "gateway: the live document cannot be read: pointer to "
	if got.code != 1 || !strings.Contains(got.stderr, why+slow+": its part ") {
		a.t.Errorf("diff: %+v", got)
	}
	got = a.do("push", "fast.yaml")
	if got.code != 0 || !strings.Contains(got.stdout, "is not there: compared\n  with nothing\npushed "+fast) {
		a.t.Errorf("push: %+v", got)
	}
	if got := a.do("rollback"); got.code != 1 || !strings.Contains(got.stderr, "there is no revision \""+slow+"\"") {
		a.t.Errorf("rollback: %+v", got)
	}
}
