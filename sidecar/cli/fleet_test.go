package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// speaker is a gateway of which only the voice is there.
type speaker struct {
	a       *author
	key     string
	session string
}

// gateway is one that follows the author's key.
func (a *author) gateway(name string) *speaker {
	a.t.Helper()
	var session struct{ ID string }
	answer := a.consul.Call(http.MethodPut, "/v1/session/create",
		map[string]string{"Behavior": "delete", "LockDelay": "0s"})
	if err := json.Unmarshal(answer, &session); err != nil {
		a.t.Fatal(err)
	}
	s := &speaker{a: a, key: "gateway/" + a.service + "/ack/" + name, session: session.ID}
	a.t.Cleanup(s.stop)
	return s
}

// stop takes back what was said.
func (s *speaker) stop() { s.a.consul.Call(http.MethodPut, "/v1/session/destroy/"+s.session, nil) }

// says says something.
func (s *speaker) says(rev string, state discovery.RevisionState, reasons ...string) {
	s.a.t.Helper()
	s.verdict(consul.Verdict{Rev: rev, State: state, Since: time.Now(), Reasons: reasons, Version: "v1.2.3"})
}

// verdict says all that a gateway can.
func (s *speaker) verdict(v consul.Verdict) {
	s.a.t.Helper()
	s.a.consul.Call(http.MethodPut, "/v1/kv/"+s.key+"?acquire="+s.session, v)
}

// pushing runs a verb, and calls then when rev has become live.
func (a *author) pushing(rev string, then func(), args ...string) outcome {
	a.t.Helper()
	done := make(chan outcome, 1)
	before, _ := a.consul.KV(a.key())
	go func() { done <- do(a.t, Process{Environ: a.environ, Signals: a.signals}, args...) }()
	testserver.WaitFor(a.t, patience, rev+" to be live", func() bool {
		text, _ := a.consul.KV(a.key())
		return text != before && strings.Contains(text, rev)
	})
	then()
	return <-done
}

// The verb push waits until the gateways have said what became of the revision.
func testWaiting(t *testing.T, a *author) {
	got := a.do("push", "slow.yaml", "--wait", "1s")
	if got.code != 3 || !strings.HasSuffix(got.stdout, "\nno gateway tells what becomes of it (GATEWAY_ACK)\n") ||
		got.stderr != "gateway: "+slow+" is live, and no gateway said within 1s what became of it: check that they "+
			"follow "+a.key()+", that GATEWAY_ACK is not off, and that their tokens may speak\n" {
		t.Errorf("without a gateway: %+v", got)
	}
	var first *speaker // which starts meanwhile
	got = a.pushing(fast, func() {
		first = a.gateway("first")
		first.says(fast, "applied")
	}, "push", "fast.yaml", "--wait", "1m")
	if got.code != 0 || !strings.HasSuffix(got.stdout, "\n1 serves\n") {
		t.Errorf("the first gateway: %+v", got)
	}
	got = a.pushing(slow, first.stop, "push", "slow.yaml", "--wait", "1s")
	if got.code != 3 {
		t.Errorf("the only gateway is gone: %+v", got)
	}
	one, two := a.gateway("one"), a.gateway("two")
	one.says("", "waiting", "no document")
	two.says(slow, "applied")
	expect := func(what string, got outcome, code int, stdout, stderr string) {
		t.Helper()
		_, lines, _ := strings.Cut(got.stdout, "pushed ")
		_, lines, _ = strings.Cut(lines, "\n")
		if lines == "" {
			lines = got.stdout
		}
		if got.code != code || lines != stdout || got.stderr != stderr {
			t.Errorf("%s: %+v, want code %d,\n%s and %q", what, got, code, stdout, stderr)
		}
	}
	got = a.pushing(fast, func() {
		one.says(fast, "applied")
		two.says(fast, "waiting", "cluster c: waits for service s (no response yet)")
		two.says(fast, "applied")
	}, "push", "fast.yaml", "--wait", "1m")
	// Verdicts that come within a moment may be one line.
	if got.code != 0 || !strings.HasSuffix(got.stdout, "\n2 serve\n") || got.stderr != "" {
		t.Errorf("all serve: %+v", got)
	}
	expect("it is live already", a.do("push", "fast.yaml", "--wait", "1m"), 0,
		"no change\n"+fast+" is live already\n2 serve\n", "")

	got = a.pushing(slow, func() {
		two.says(slow, "rejected", "listener \"more\": listen tcp 127.0.0.1:9000: bind: address already in use", "b")
		one.says(slow, "applied")
	}, "rollback", "--wait", "1m")
	if got.code != 1 || got.stderr != "gateway: 1 of 2 gateways did not take "+slow+": two\n" ||
		!strings.Contains(got.stdout, "\n  two rejected: listener \"more\": listen tcp 127.0.0.1:9000: bind: address\n"+
			"    already in use; b\n") || !strings.Contains(got.stdout, "\n1 serves, 1 refuses\n") {
		t.Errorf("one refuses: %+v", got)
	}
	// What was said of it before it was made live once more does not count.
	got = a.pushing(slow, func() { two.says(slow, "applied") }, "push", "slow.yaml", "--force", "--wait", "1m")
	if got.code != 0 || !strings.HasSuffix(got.stdout, "\n2 serve\n") || strings.Contains(got.stdout, "refuses") {
		t.Errorf("by force: %+v", got)
	}
	expect("no verdict in time", a.do("push", "fast.yaml", "--wait", "1s"), 3, "2 silent\n",
		"gateway: 2 of 2 gateways said nothing final of "+fast+" within 1s: one, two\n")
	two.says(fast, "applied")
	got = a.do("push", "fast.yaml", "--wait", "1ns")
	if got.code != 3 ||
		!strings.HasPrefix(got.stderr, "gateway: "+fast+" is live, and what becomes of it was not heard within 1ns") {
		t.Errorf("the time is over before anything is heard: %+v", got)
	}

	got = a.pushing(slow, func() {
		two.stop()
		one.says(slow, "applied")
	}, "push", "slow.yaml", "--wait", "1m")
	// If it went before the first look, it was never there.
	if got.code != 0 || !strings.HasSuffix(strings.TrimSuffix(got.stdout, ", 1 gone\n"), "\n1 serves") &&
		!strings.HasSuffix(got.stdout, "\n1 serves\n") {
		t.Errorf("one is gone: %+v", got)
	}
	a.refuses(2, "gateway: --wait: want a time to wait, such as 30s (seen \"-1s\")\n", "push", "fast.yaml", "--wait",
		"-1s")
	a.refuses(2, "gateway: --wait: want a time to wait, such as 30s (seen \"-1s\")\n", "rollback", "--wait", "-1s")

	got = a.pushing(fast, func() { one.says(fast, "held", "route all: no endpoint in c") },
		"push", "fast.yaml", "--wait", "1m", "--json")
	var out pushOutcome
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || got.code != 1 || out.Waited == nil {
		t.Fatalf("--json: %+v, %v", got, err)
	}
	if said := out.Waited.Gateways[0]; out.Waited.Refuse != 1 || said.State != "held" || said.Stand != standRefuse {
		t.Errorf("--json: %+v", got)
	}
}

// While somebody waits, somebody else makes another revision live.
func testSuperseded(t *testing.T, a *author) {
	a.do("push", "slow.yaml")
	one := a.gateway("one")
	one.says(slow, "applied")
	got := a.pushing(fast, func() {
		other := *a
		other.environ = append(slices.Clone(a.environ[:4]), "USER=ben")
		other.do("push", "slow.yaml")
		one.says(slow, "applied")
	}, "push", "fast.yaml", "--wait", "1m")
	if got.code != 1 || got.stderr != "gateway: "+fast+" is not live any more, but "+slow+" by ben@desk\n" {
		t.Errorf("superseded: %+v", got)
	}
}

// While somebody waits, somebody else puts a document by hand, or deletes the key.
func testSupersededByHand(t *testing.T, a *author) {
	one := a.gateway("one")
	one.says("", "waiting")
	for want, do := range map[string]func(){
		"a document that was put by hand": func() { a.consul.KVPut(a.key(), fastYAML) },
		"nothing: the key is gone":        func() { a.consul.KVDelete(a.key()) },
	} {
		got := a.pushing(slow, func() {
			do()
			one.says(fast, "applied")
		}, "push", "slow.yaml", "--wait", "1m")
		if got.code != 1 || got.stderr != "gateway: "+slow+" is not live any more, but "+want+"\n" {
			t.Errorf("superseded: %+v, want %s", got, want)
		}
	}
}

// The key may be gone before the first look at what is live.
func TestSupersededAtOnce(t *testing.T) {
	for _, row := range []struct {
		name         string
		since, index uint64
		live         consul.Pointer
		want         bool
	}{
		{"ours", 0, 7, consul.Pointer{Rev: "r", By: "me"}, false},
		{"deleted", 0, 0, consul.Pointer{}, true},
		{"deleted later", 7, 0, consul.Pointer{}, true},
		{"put by hand", 0, 7, consul.Pointer{By: consul.PutByHand}, true},
		{"put by hand before", 7, 7, consul.Pointer{By: consul.PutByHand}, false},
		{"put by hand once more", 7, 8, consul.Pointer{By: consul.PutByHand}, true},
		{"another's", 0, 8, consul.Pointer{Rev: "q", By: "ben"}, true},
		{"ours once more", 7, 8, consul.Pointer{Rev: "r", By: "ben"}, false},
	} {
		w := &waiter{rev: "r", since: row.since}
		w.found(&row.live, row.index)
		if got := w.superseded != nil; got != row.want {
			t.Errorf("%s: superseded %v, want %v", row.name, got, row.want)
		}
	}
}

// A document that was put by hand has no name in the key, and gateways say what became of it.
func testWaitingByHand(_ *testing.T, a *author) {
	a.consul.KVPut(a.key(), slowYAML)
	a.gateway("one").says(slow, "applied")
	a.says("no change\n"+slow+" is live already\n1 serves\n", "push", "slow.yaml", "--wait", "1m")
}

// The token may push, but not read what is said.
func testWaitingWithoutRight(t *testing.T, a *author) {
	a.gateway("one").says("", "waiting", "no document")
	prefix := "gateway/" + a.service + "/"
	token := a.consul.NewToken(fmt.Sprintf("key %q { policy = \"write\" }\nkey_prefix %q { policy = \"write\" }",
		prefix+"config", prefix+"history/")).Secret
	a.environ = append(slices.Clone(a.environ), "CONSUL_HTTP_TOKEN="+token)
	a.environ = slices.Delete(a.environ, 1, 2)
	got := a.do("push", "slow.yaml", "--wait", "1m")
	const right = `the token needs key_prefix "gateway/waiting-without-a-right/ack/" { policy = "read" }: `
	if got.code != 1 || !strings.Contains(got.stdout, "\npushed "+slow) ||
		!strings.HasPrefix(got.stderr,
			"gateway: "+slow+" is live, and stays so, but what becomes of it may not be read: list key "+prefix+
				"ack/: "+right) {
		t.Errorf("push: %+v", got)
	}
	if got := a.do("fleet"); got.code != 1 || !strings.Contains(got.stderr, right) {
		t.Errorf("fleet: %+v", got)
	}
}

func testFleet(t *testing.T, a *author) {
	const nobody = "no gateway tells what becomes of the document (GATEWAY_ACK)\n"
	a.says(nobody, "fleet")
	a.do("push", "slow.yaml")
	a.do("push", "fast.yaml")
	one, two, three := a.gateway("one"), a.gateway("two"), a.gateway("three")
	one.says(fast, "applied")
	two.says(slow, "applied")
	three.says(fast, "rejected", strings.Repeat("wrong \x1b[31m", 15), "bad")
	got := a.do("fleet")
	want := "live " + fast + " (*): 1 serves, 1 refuses, 1 silent\n" +
		"one    * " + fast + "  applied   TIME  v1.2.3\n" +
		"three  * " + fast + "  rejected  TIME  v1.2.3\n" +
		"    wrong [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong\n" +
		"      [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong [31mwrong [31m\n" +
		"    bad\n" +
		"two      " + slow + "  applied   TIME  v1.2.3\n"
	if told := times.ReplaceAllString(got.stdout, "TIME"); got.code != 0 || told != want {
		t.Errorf("fleet:\n%s%s, want\n%s", told, got.stderr, want)
	}
	var all []fleetMember
	if err := json.Unmarshal([]byte(a.do("fleet", "--json").stdout), &all); err != nil || len(all) != 3 ||
		all[0].Instance != "one" || !all[0].Live || all[2].Live || all[1].State != "rejected" ||
		all[1].Reasons[1] != "bad" {
		t.Errorf("fleet --json: %+v, %v", all, err)
	}
	a.consul.Call(http.MethodDelete, "/v1/kv/"+a.key(), nil)
	if got := a.do("fleet"); got.code != 0 || !strings.HasPrefix(got.stdout, "one      "+fast) {
		t.Errorf("fleet without a live document: %+v", got)
	}
	a.environ = append(slices.Clone(a.environ[:1]), "CONSUL_HTTP_TOKEN="+a.consul.Token())
	a.says(nobody, "fleet", "--consul-key", "gateway/folder/")
	a.says("[]\n", "fleet", "--consul-key", "gateway/folder/", "--json")
}
