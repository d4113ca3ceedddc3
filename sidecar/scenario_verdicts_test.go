package sidecar_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// fleet is a service whose gateways say what becomes of its document, in a Consul with ACLs.
type fleet struct {
	t       *testing.T
	consul  *testserver.ConsulServer
	service string
}

// rights are all that a gateway of the service needs to speak; without speak it can only follow.
func (f *fleet) rights(speak bool) string {
	rules := `key_prefix "gateway/SERVICE/" { policy = "read" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
`
	if speak {
		rules += `key_prefix "gateway/SERVICE/ack/" { policy = "write" }
session_prefix "" { policy = "write" }
`
	}
	return strings.ReplaceAll(rules, "SERVICE", f.service)
}

// gateway is one of the service, by the name of its instance.
func (f *fleet) gateway(instance string, more env) *gateway {
	f.t.Helper()
	environ := env{
		"CONSUL_HTTP_ADDR": f.consul.Addr(), "CONSUL_HTTP_TOKEN": f.consul.NewToken(f.rights(true)).Secret,
		"GATEWAY_SERVICE": f.service, "GATEWAY_INSTANCE": instance,
	}
	maps.Copy(environ, more)
	return up(f.t, environ)
}

// person runs a verb as its author does, whose token has just the right to write.
func (f *fleet) person(document string, args ...string) (code int, told string) {
	f.t.Helper()
	cmd := f.verb(document, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return f.ended(cmd.Run()), out.String()
}

// ended is the exit code of a verb.
func (f *fleet) ended(err error) int {
	f.t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return 0
}

// verb is one that its author calls.
func (f *fleet) verb(document string, args ...string) *exec.Cmd {
	f.t.Helper()
	path, err := binary()
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(document)
	token := f.consul.NewToken(fmt.Sprintf("key_prefix \"gateway/%s/\" { policy = \"write\" }\n"+
		"service_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }", f.service)).Secret
	cmd.Env = []string{
		"CONSUL_HTTP_ADDR=" + f.consul.Addr(), "CONSUL_HTTP_TOKEN=" + token, "GATEWAY_SERVICE=" + f.service,
	}
	return cmd
}

// refused pushes a document that a gateway refuses, and must be shown why soon after it is live.
func (f *fleet) refused(document, why string) {
	f.t.Helper()
	begun := time.Now()
	f.person("", "fleet")
	limit := 2*time.Second + time.Since(begun) // as long as a verb takes here
	cmd := f.verb(document, "push", "-", "--wait", "20s")
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	var live, shown time.Time
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "pushed "):
			live = time.Now()
		case strings.Contains(line, why):
			shown = time.Now()
		}
	}
	if code := f.ended(cmd.Wait()); code != 1 {
		f.t.Errorf("push: code %d, want 1", code)
	}
	if live.IsZero() || shown.IsZero() || shown.Sub(live) > limit {
		f.t.Errorf("live at %v, refused at %v for %q, want it within %v", live, shown, why, limit)
	}
	f.t.Logf("a refusal is shown %v after the document is live; the verb has ended after %v", shown.Sub(live),
		time.Since(live))
}

// pushes pushes a document, waits, and must be told this at the end.
func (f *fleet) pushes(document string, code int, want string, more ...string) {
	f.t.Helper()
	got, told := f.person(document, append([]string{"push", "-", "--wait", "20s"}, more...)...)
	if got != code || !strings.Contains(told, want) {
		f.t.Errorf("push: code %d\n%s\nwant %d and\n%s", got, told, code, want)
	}
}

// said is what an instance says now; empty = nothing.
func (f *fleet) said(instance string) string {
	text, _ := f.consul.KV("gateway/" + f.service + "/ack/" + instance)
	return text
}

// says waits until an instance says something that has all of the words; without any, until it says nothing.
func (f *fleet) says(instance string, words ...string) {
	f.t.Helper()
	testserver.WaitFor(f.t, longestWait, fmt.Sprintf("%s to say %q", instance, words), func() bool {
		text := f.said(instance)
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return (text == "") == (len(words) == 0)
	})
}

// session is that which holds what an instance says.
func (f *fleet) session(instance string) string {
	f.t.Helper()
	entry, _ := f.consul.KVEntry("gateway/" + f.service + "/ack/" + instance)
	if entry.Session == "" {
		f.t.Fatalf("%s: no session holds %q", instance, entry.Value)
	}
	return entry.Session
}

// Two gateways say what becomes of what is pushed, and its author is told.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *fleet)
	}{
		{"pushed", testPushedVerdicts},
		{"sessions", testVerdictSessions},
		{"rights", testVerdictRights},
		{"off", testNoVerdicts},
		{"turns", testTurns},
		{"stopped", testStoppedWait},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, &fleet{t, consul, part.name})
		})
	}
}

func testPushedVerdicts(t *testing.T, f *fleet) {
	f.consul.Register(testserver.Service{Name: "full", Port: port(t, app(t, "full"))})
	one, two := f.gateway("one", nil), f.gateway("two", nil)
	f.says("one", `"rev":""`, `"state":"waiting"`, "consul has no document")
	f.says("two", `"state":"waiting"`)
	f.pushes(to("c", "full", ""), 0, "\n2 serve\n")
	one.now("/", http.StatusOK, "full")
	two.now("/", http.StatusOK, "full")

	// Its port is free for one of them.
	taken := fmt.Sprintf("listeners: [{name: more, address: %q}]\n", testserver.Addr(t))
	f.refused(taken+to("c", "full", ""), " rejected: listener \"more\": listen tcp ")
	f.pushes(to("c", "full", ""), 0, "\n2 serve\n") // taken back

	f.pushes(to("c", "nil", ""), 1, " held: "+absent("route all", "c", "nil")+"\n", "--allow-empty")
	f.says("two", `"state":"held"`, `"reasons":["`+absent("route all", "c", "nil")+`"]`, `"version":"`)
	f.consul.Register(testserver.Service{Name: "nil", Port: port(t, app(t, "arrived"))})
	f.says("one", `"state":"applied"`, `"reasons":[]`)

	const bad = "routes: [{name: all, cluster: nobody}]\n"
	if code, told := f.person(bad, "push", "-", "--wait", "20s"); code != 1 || strings.Contains(told, "pushed") {
		t.Errorf("a bad document: code %d\n%s", code, told)
	}
	f.consul.KVPut("gateway/"+f.service+"/config", bad)
	f.says("one", `"state":"rejected"`, "cluster nobody is not defined")
	f.says("two", `"state":"rejected"`)
	if code, told := f.person("", "fleet"); code != 0 || strings.Count(told, "  rejected  ") != 2 {
		t.Errorf("fleet: code %d\n%s", code, told)
	}
	f.pushes(to("c", "full", ""), 0, "\n2 serve\n")
	for _, instance := range []string{"one", "two"} {
		if said := f.said(instance); strings.Contains(said, f.consul.Token()) || len(said) > 8<<10 {
			t.Errorf("%s says %s", instance, said)
		}
	}
}

// What a gateway says goes away with it, and comes back if only its session was lost.
func testVerdictSessions(t *testing.T, f *fleet) {
	f.consul.KVPut("gateway/"+f.service+"/config", one(app(t, "app")))
	g := f.gateway("one", nil)
	f.says("one", `"state":"applied"`)
	f.consul.Call(http.MethodPut, "/v1/session/destroy/"+f.session("one"), nil)
	f.says("one")
	g.signal(syscall.SIGHUP) // it looks after its session sooner than by itself
	f.says("one", `"state":"applied"`)
	f.consul.Call(http.MethodPut, "/v1/session/destroy/"+f.session("one"), nil)
	f.pushes(one(app(t, "other")), 0, "\npushed ") // whether it has said something yet or not
	f.says("one", `"state":"applied"`)
	g.stop()
	if said := f.said("one"); said != "" {
		t.Errorf("after its end it says %s", said)
	}

	g = f.gateway("one", nil)
	f.says("one", `"state":"applied"`)
	session := f.session("one")
	g.signal(syscall.SIGKILL)
	<-g.exited
	if f.session("one") != session {
		t.Error("the session changed hands")
	}
	f.gateway("one", nil) // in its place, before the session has run out
	testserver.WaitFor(t, longestWait, "the successor to speak", func() bool {
		return f.said("one") != "" && f.session("one") != session
	})
	f.consul.Call(http.MethodPut, "/v1/session/destroy/"+session, nil) // as when it has run out
	if f.said("one") == "" {
		t.Error("what the successor says went with the one before")
	}
}

// Where the token may not, a gateway serves as ever, and says once what is missing. With the right it speaks.
func testVerdictRights(t *testing.T, f *fleet) {
	key := "gateway/" + f.service + "/config"
	f.consul.KVPut(key, one(app(t, "app")))
	token := f.consul.NewToken(f.rights(false))
	g := f.gateway("one", env{"CONSUL_HTTP_TOKEN": token.Secret})
	g.answers("/", http.StatusOK, "app")
	const needs = `session_prefix "" { policy = "write" }`
	g.wait("the missing right", func(s status) bool { return s.Verdict.Needs == needs })
	f.consul.KVPut(key, one(app(t, "other")))
	g.answers("/", http.StatusOK, "other")
	if s := g.status(); s.Verdict.State != "applied" || !strings.HasPrefix(s.Verdict.Error, "status 403: ") ||
		s.Discovery[0].Error != "" || !s.Ready || len(s.Trouble) > 0 {
		t.Errorf("status %+v", s)
	}
	lines := g.logged("verdicts are not written, the token lacks a right")
	if len(lines) != 1 || lines[0]["@level"] != "info" || lines[0]["needs"] != needs {
		t.Errorf("logged %v", lines)
	}
	f.consul.SetRules(token, f.rights(true))
	g.signal(syscall.SIGHUP)
	f.says("one", `"state":"applied"`)
	g.wait("no error", func(s status) bool { return s.Verdict.Error == "" })
}

func testNoVerdicts(t *testing.T, f *fleet) {
	f.consul.KVPut("gateway/"+f.service+"/config", one(app(t, "app")))
	silent := f.gateway("silent", env{"GATEWAY_ACK": "off"})
	silent.answers("/", http.StatusOK, "app")
	f.gateway("one", nil)
	f.says("one", `"state":"applied"`)
	if _, body, _ := fetch(silent.admin + "/status"); strings.Contains(body, `"verdict"`) {
		t.Errorf("status %s", body)
	}
	silent.stop()
	if said := f.said("silent"); said != "" {
		t.Errorf("it says %s", said)
	}
}
