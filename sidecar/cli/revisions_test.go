package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// author is somebody who may write the document of one service, and nothing else.
type author struct {
	t       *testing.T
	consul  *testserver.ConsulServer
	service string
	environ []string
}

func (a *author) key() string { return "gateway/" + a.service + "/config" }

// do runs a verb. What people read has 80 columns.
func (a *author) do(args ...string) outcome {
	a.t.Helper()
	got := do(a.t, Process{Environ: a.environ}, args...)
	if got.code == 0 && !slices.Contains(args, "--json") {
		for line := range strings.Lines(got.stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				a.t.Errorf("gateway %q: %d columns: %s", args, n, line)
			}
		}
	}
	return got
}

// says runs a verb that must print this and succeed.
func (a *author) says(want string, args ...string) {
	a.t.Helper()
	if got := a.do(args...); got.code != 0 || got.stdout != want || got.stderr != "" {
		a.t.Errorf("gateway %q: %+v, want\n%s", args, got, want)
	}
}

// refuses runs a verb that must fail, and say why in these lines.
func (a *author) refuses(code int, stderr string, args ...string) outcome {
	a.t.Helper()
	got := a.do(args...)
	if got.code != code || got.stderr != stderr {
		a.t.Errorf("gateway %q: %+v, want code %d and\n%s", args, got, code, stderr)
	}
	return got
}

// write writes files of the working directory.
func (a *author) write(files map[string]string) {
	a.t.Helper()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

// The documents that the tests push, and the revisions that they are.
const (
	slowYAML = `
routes: [{name: shop, match: {path_prefix: /shop}, cluster: shop}]
clusters: [{name: shop, endpoints: ["10.0.0.1:80"]}]
`
	fastYAML = `
routes: [{name: shop, match: {path_prefix: /shop}, cluster: shop, timeouts: {upstream: 1s}}]
clusters: [{name: shop, endpoints: ["10.0.0.1:80", "10.0.0.2:80"]}]
`
	ordersYAML = `routes: [{name: orders, match: {path_prefix: /}, cluster: "consul:orders"}]`
)

var slow, fast = named(slowYAML), named(fastYAML)

// named is the name of a document's revision.
func named(text string) string {
	doc, err := config.Decode([]byte(text), config.Standard())
	if err != nil {
		panic(err)
	}
	return doc.Revision
}

func TestRevisions(t *testing.T) {
	for _, name := range []string{"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_SSL"} {
		t.Setenv(name, "")
	}
	server := testserver.Consul(t, testserver.DenyByDefault)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *author)
	}{
		{"there and back", testThereAndBack},
		{"put by hand", testPutByHand},
		{"refused", testRefusals},
		{"not reached", testNotReached},
		{"without an instance", testWithoutInstance},
		{"conflict", testConflict},
		{"damaged", testDamaged},
		{"large", testLarge},
		{"hostile texts", testHostileTexts},
		{"json", testJSON},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			a := &author{t: t, consul: server, service: strings.ReplaceAll(part.name, " ", "-")}
			token := server.NewToken(fmt.Sprintf("key_prefix \"gateway/%s/\" { policy = \"write\" }", a.service)).Secret
			a.environ = []string{
				"CONSUL_HTTP_ADDR=" + server.Addr(), "CONSUL_HTTP_TOKEN=" + token,
				"GATEWAY_SERVICE=" + a.service, "GATEWAY_INSTANCE=desk", "USER=ann",
			}
			a.write(map[string]string{"slow.yaml": slowYAML, "fast.yaml": fastYAML, "orders.yaml": ordersYAML})
			part.run(t, a)
		})
	}
}

const change = `~ route shop
    timeouts.upstream: (none) -> 1s
~ cluster shop
    endpoints.10.0.0.2:80: (none) -> {"weight":1}
`

const changeBack = `~ route shop
    timeouts.upstream: 1s -> (none)
~ cluster shop
    endpoints.10.0.0.2:80: {"weight":1} -> (none)
`

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// history is what the verb prints, with TIME for each time.
func (a *author) history(want string) {
	a.t.Helper()
	if got := a.do("history"); got.code != 0 || times.ReplaceAllString(got.stdout, "TIME") != want {
		a.t.Errorf("history: %+v, want\n%s", got, want)
	}
}

func testThereAndBack(t *testing.T, a *author) {
	a.says("nothing was pushed to "+a.key()+" yet\n", "history")
	a.refuses(1, "gateway: nothing is live: there is no key "+a.key()+"\n", "diff")
	a.refuses(1, "gateway: nothing is live: there is no key "+a.key()+"\n", "rollback")
	a.says("+ listener default\n+ route shop\n+ cluster shop\n"+slow+" was not pushed: --dry-run\n",
		"push", "slow.yaml", "--dry-run")
	a.says("+ listener default\n+ route shop\n+ cluster shop\npushed "+slow+" to "+a.key()+"\n",
		"push", "slow.yaml", "--note", "the first")
	a.refuses(1, "gateway: no revision is known to be before the live one (gateway history lists them)\n", "rollback")
	a.says("no change\n"+slow+" is live already\n", "push", "slow.yaml")
	a.says(change, "diff", "fast.yaml")
	a.says(change+"pushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "push", "fast.yaml")
	a.says(change, "diff")
	a.says(change, "diff", slow[:4], "live")
	a.says(changeBack, "diff", "fast.yaml", "slow.yaml")
	a.history("* " + fast + "  TIME  ann@desk\n  " + slow + "  TIME  ann@desk  the first\n")
	a.says(changeBack+"pushed "+slow+" to "+a.key()+" (before: "+fast+")\n", "rollback")
	a.history("* " + slow + "  TIME  ann@desk  rollback: the first\n  " + fast + "  TIME  ann@desk\n")
	a.says(change+"pushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "rollback", fast[:3], "--note", "after all")

	// Another text of the same meaning, and the same one by force, leave the way back as it was.
	a.write(map[string]string{"told.yaml": "# why\n" + fastYAML})
	a.says("no change\npushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "push", "told.yaml")
	a.says("no change\npushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "push", "told.yaml", "--force")
	a.says(changeBack+"pushed "+slow+" to "+a.key()+" (before: "+fast+")\n", "rollback")

	a.history("* " + slow + "  TIME  ann@desk  rollback: the first\n  " + fast + "  TIME  ann@desk\n")

	got := do(t, Process{Environ: a.environ, Stdin: strings.NewReader(fastYAML)}, "push", "-")
	if got.code != 0 || !strings.HasSuffix(got.stdout, "pushed "+fast+" to "+a.key()+" (before: "+slow+")\n") {
		t.Errorf("push -: %+v", got)
	}
}

func testPutByHand(_ *testing.T, a *author) {
	a.consul.KVPut(a.key(), slowYAML)
	a.history("* " + slow + "    put by hand\n")
	a.refuses(1, "gateway: the live document was put by hand: say which revision (gateway history lists them)\n", "rollback")
	a.says("no change\n", "diff", slow, "live")
	a.says(change+"pushed "+fast+" to "+a.key()+" (before: "+slow+")\n", "push", "fast.yaml")
	a.history("* " + fast + "  TIME  ann@desk\n  " + slow + "  TIME  put by hand\n")
	a.says(changeBack+"pushed "+slow+" to "+a.key()+" (before: "+fast+")\n", "rollback")

	a.consul.KVPut(a.key(), "routes: 7\n")
	why := `the live document is not valid: 1:9: routes: want a list (seen 7)`
	a.history("* (not valid)                         put by hand\n" +
		"  " + slow + "  TIME  ann@desk     rollback\n" +
		"  " + fast + "  TIME  ann@desk\n")
	a.refuses(1, "gateway: "+why+"\n", "diff", "slow.yaml")
	a.says("+ listener default\n+ route shop\n+ cluster shop\n"+why+": compared with\n  nothing\npushed "+fast+" to "+
		a.key()+"\n", "rollback", fast)
}

func testRefusals(_ *testing.T, a *author) {
	a.write(map[string]string{"bad.yaml": "routes: [{name: a, match: {path_prefix: a}, cluster: b}]\n", "empty.yaml": ""})
	got := a.refuses(1, "gateway: bad.yaml: 2 problems\n", "push", "bad.yaml")
	if n := strings.Count(got.stdout, "\n"); n != 2 || !strings.HasPrefix(got.stdout, "bad.yaml:1:41: routes[0].match.path_prefix: ") {
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
	a.refuses(2, "gateway: push takes one file, or - for stdin (were 0)\n", "push")
	a.refuses(2, "gateway: diff takes two documents at most (were 3)\n", "diff", "a", "b", "c")
	a.refuses(2, "gateway: rollback takes one revision (were 2)\n", "rollback", "a", "b")
	a.refuses(2, "gateway: history takes no argument (was \"a\")\n", "history", "a")
	a.refuses(2, "gateway: consul key \"gateway/web/\": a folder, whose keys are put one by one (consul kv put)\n",
		"push", "slow.yaml", "--consul-key", "gateway/web/")
}

func testNotReached(_ *testing.T, a *author) {
	closed := testserver.Addr(a.t)
	for _, row := range []struct {
		name, set, want string
	}{
		{"no Consul", "CONSUL_HTTP_ADDR=" + closed, "gateway: read key " + a.key() + ": no response from Consul at " + closed +
			" (CONSUL_HTTP_ADDR): "},
		{"no token", "CONSUL_HTTP_TOKEN=", "gateway: read key " + a.key() + ": the token needs key_prefix \"gateway/" +
			a.service + "/\" { policy = \"read\" }: "},
		{"another service", "GATEWAY_SERVICE=other", "gateway: read key gateway/other/config: the token needs key_prefix " +
			"\"gateway/other/\" { policy = \"read\" }: "},
		{"a reader", "CONSUL_HTTP_TOKEN=" + a.consul.NewToken(`key_prefix "" { policy = "read" }`).Secret,
			"the token needs key_prefix \"gateway/" + a.service + "/\" { policy = \"write\" }: "},
	} {
		name, _, _ := strings.Cut(row.set, "=")
		other := *a
		other.environ = slices.DeleteFunc(slices.Clone(a.environ), func(e string) bool { return strings.HasPrefix(e, name+"=") })
		other.environ = append(other.environ, row.set)
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
	if got := a.do("push", "orders.yaml", "--allow-empty", "--dry-run"); got.code != 0 {
		a.t.Errorf("with --allow-empty: %+v", got)
	}
	a.write(map[string]string{"allowed.yaml": `
routes: [{name: orders, match: {path_prefix: /}, cluster: o}]
clusters: [{name: o, consul: {service: orders}, allow_empty: true}]
`})
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
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || out.Pushed || out.Theirs == nil ||
		out.Theirs.Revision != fast || out.Theirs.By != "ben@desk" || len(out.Theirs.Changes) != 2 || len(out.Changes) != 1 {
		t.Errorf("push --json: %s, %v", got.stdout, err)
	}
	if got := a.do("push", "mine.yaml"); got.code != 0 {
		t.Errorf("push again: %+v", got)
	}
}

func testDamaged(_ *testing.T, a *author) {
	a.do("push", "slow.yaml")
	a.consul.Call(http.MethodDelete, "/v1/kv/gateway/"+a.service+"/history/?recurse", nil)
	got := a.do("diff", "fast.yaml")
	if got.code != 1 || !strings.Contains(got.stderr, "gateway: the live document cannot be read: pointer to "+slow+": its part ") {
		a.t.Errorf("diff: %+v", got)
	}
	got = a.do("push", "fast.yaml")
	if got.code != 0 || !strings.Contains(got.stdout, "pushed "+fast) || !strings.Contains(got.stdout, "is not there: compared\n  with nothing") {
		a.t.Errorf("push: %+v", got)
	}
	if got := a.do("rollback"); got.code != 1 || !strings.Contains(got.stderr, "there is no revision \""+slow+"\"") {
		a.t.Errorf("rollback: %+v", got)
	}
}

// A document of several megabytes, in two parts.
func testLarge(_ *testing.T, a *author) {
	const routes = 40_000
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range routes {
		fmt.Fprintf(&b, "- {name: r%d, match: {host: h%x.example.com, path_prefix: /%x}, cluster: shop}\n", i,
			uint32(i*2654435761), uint32(i*40503*97))
	}
	b.WriteString("clusters: [{name: shop, endpoints: [\"10.0.0.1:80\"]}]\n")
	a.write(map[string]string{"large.yaml": b.String()})
	got := a.do("push", "large.yaml")
	if got.code != 0 || strings.Count(got.stdout, "\n") != mostShown+2 ||
		!strings.Contains(got.stdout, fmt.Sprintf("\n... and %d more changes (--json has all)\n", routes+2-mostShown)) {
		a.t.Fatalf("push: %+v", got)
	}
	var all []pushed
	got = a.do("history", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || len(all) != 1 || all[0].Size != b.Len() {
		a.t.Fatalf("history: %+v, %v", all, err)
	}
	if len(all[0].Parts) < 2 {
		a.t.Errorf("parts %q, want more than one", all[0].Parts)
	}
	a.says("no change\n", "diff", "large.yaml")
}

// What others have written cannot move the cursor, and no line is too wide.
func testHostileTexts(_ *testing.T, a *author) {
	long := strings.Repeat("long", 200)
	a.environ[len(a.environ)-1] = "USER=\x1b[2J" + long
	a.write(map[string]string{"long.yaml": strings.NewReplacer("shop", long[:60], "/shop", "/"+long, "10.0.0.1", long[:60]+".example.com").Replace(slowYAML)})
	for _, args := range [][]string{
		{"push", "slow.yaml", "--note", "one\ntwo\x1b[31m\u202e" + long},
		{"push", "long.yaml"}, {"history"}, {"diff"}, {"diff", "slow.yaml"}, {"rollback"}, {"history"},
	} {
		got := a.do(args...)
		if got.code != 0 || strings.ContainsAny(got.stdout, "\x1b\u202e") {
			a.t.Errorf("gateway %q: %+v", args, got)
		}
	}
	if got := a.do("history").stdout; strings.Count(got, "\n") != 2 || !strings.Contains(got, "...  rollback: one two") {
		a.t.Errorf("history: %q", got)
	}
}

func testJSON(_ *testing.T, a *author) {
	a.write(map[string]string{"bad.yaml": "routes: [{name: a, match: {path_prefix: a}, cluster: b}]\n"})
	into := func(v any, code int, args ...string) {
		a.t.Helper()
		got := a.do(append(args, "--json")...)
		if err := json.Unmarshal([]byte(got.stdout), v); err != nil || got.code != code {
			a.t.Errorf("gateway %q: %+v, %v, want code %d", args, got, err, code)
		}
	}
	var out pushOutcome
	into(&out, 0, "push", "slow.yaml")
	if out.Key != a.key() || out.Revision != slow || !out.Pushed || len(out.Changes) != 3 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 0, "push", "fast.yaml")
	if out.Parent != slow || len(out.Changes) != 2 || len(out.Changes[0].Fields) != 1 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 1, "push", "bad.yaml")
	if out.Pushed || len(out.Problems) != 2 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 1, "push", "orders.yaml")
	if out.Pushed || !slices.Equal(out.Empty, []string{"consul:orders"}) || len(out.Means) != 2 {
		a.t.Errorf("push: %+v", out)
	}
	var d difference
	into(&d, 0, "diff")
	if len(d.Changes) != 2 || d.Means == nil {
		a.t.Errorf("diff: %+v", d)
	}
	var all []pushed
	into(&all, 0, "history", "-n", "1")
	if len(all) != 1 || !all[0].Live || all[0].Rev != fast || all[0].Parent != slow || all[0].By != "ann@desk" {
		a.t.Errorf("history: %+v", all)
	}
	out = pushOutcome{}
	into(&out, 0, "rollback", "--dry-run")
	if out.Pushed || out.Revision != slow {
		a.t.Errorf("rollback: %+v", out)
	}
}

func TestFieldLine(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{"short", "short"},
		{strings.Repeat("word ", 20), strings.TrimSpace(strings.Repeat("word ", 16)) + "\n  word word word word"},
		{strings.Repeat("x", 100) + " y", strings.Repeat("x", 100) + "\n  y"},
	} {
		if got := wrap(row.text); got != row.want {
			t.Errorf("wrap(%q) = %q, want %q", row.text, got, row.want)
		}
	}
	if got := cut("äöü\tü", 4); got != "ä..." {
		t.Errorf("cut: %q", got)
	}
}

// Colours are for terminals, and for those who want them.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, row := range []struct {
		p    Process
		want bool
	}{
		{Process{Stdout: terminal}, true},
		{Process{Stdout: terminal, Environ: []string{"TERM=xterm"}}, true},
		{Process{Stdout: terminal, Environ: []string{"TERM=dumb"}}, false},
		{Process{Stdout: terminal, Environ: []string{"NO_COLOR=1"}}, false},
		{Process{Stdout: file}, false},
		{Process{Stdout: &strings.Builder{}}, false},
	} {
		if got := row.p.coloured(); got != row.want {
			t.Errorf("%q to %T: %v, want %v", row.p.Environ, row.p.Stdout, got, row.want)
		}
	}
}
