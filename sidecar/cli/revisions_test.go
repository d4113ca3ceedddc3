package cli

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
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
	signals func(context.Context) (context.Context, <-chan os.Signal) // nil: nobody stops a verb
}

func (a *author) key() string { return "gateway/" + a.service + "/config" }

// do runs a verb. What people read has 80 columns.
func (a *author) do(args ...string) outcome {
	a.t.Helper()
	got := do(a.t, Process{Environ: a.environ, Signals: a.signals}, args...)
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
	for _, name := range []string{"ADDR", "TOKEN", "TOKEN_FILE", "SSL"} {
		t.Setenv("CONSUL_HTTP_"+name, "")
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
		{"emptying", testEmptying},
		{"files", testFiles},
		{"conflict", testConflict},
		{"damaged", testDamaged},
		{"large", testLarge},
		{"hostile texts", testHostileTexts},
		{"json", testJSON},
		{"waiting", testWaiting},
		{"superseded", testSuperseded},
		{"superseded by hand", testSupersededByHand},
		{"waiting by hand", testWaitingByHand},
		{"waiting without a right", testWaitingWithoutRight},
		{"waiting for turns", testWaitingForTurns},
		{"waiting for probation", testWaitingForProbation},
		{"waiting stopped", testWaitingStopped},
		{"fleet", testFleet},
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
	a.refuses(1, "gateway: the live document was put by hand: say which revision (gateway history lists them)\n",
		"rollback")
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
