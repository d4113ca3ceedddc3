package sidecar_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// pushes pushes a document as a person does who has this environment, with the binary that people have.
func pushes(t testing.TB, environ env, document string, args ...string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"push", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(document)
	for _, name := range []string{"CONSUL_HTTP_ADDR", "GATEWAY_SERVICE"} {
		if environ[name] != "" {
			cmd.Env = append(cmd.Env, name+"="+environ[name])
		}
	}
	var told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &told, &told
	if err := cmd.Run(); err != nil {
		t.Fatalf("push: %v\n%s", err, &told)
	}
}

// A gateway follows what is pushed without a lost request, and a pointer that leads to no document changes nothing.
func TestPushedRevisions(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SERVICE": "web"}
	apps := map[string]string{"one": app(t, "one"), "two": app(t, "two")}
	const key = "gateway/web/config"
	pushes(t, environ, one(apps["one"]))
	g := serve(t, environ)
	g.now("/", http.StatusOK, "one")
	requests := g.load("/")
	pushes(t, environ, one(apps["two"]))
	g.answers("/", http.StatusOK, "two")
	good, _ := consul.KV(key)

	var pointer struct{ Parts []string }
	if err := json.Unmarshal([]byte(good), &pointer); err != nil || len(pointer.Parts) != 1 {
		t.Fatalf("pointer %s, %v", good, err)
	}
	damage := func(edit func(pointer map[string]any), want string) {
		t.Helper()
		var fields map[string]any
		if err := json.Unmarshal([]byte(good), &fields); err != nil {
			t.Fatal(err)
		}
		edit(fields)
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		consul.KVPut(key, string(text))
		g.wait("the pointer to be rejected for "+want, func(s status) bool {
			return s.Revision.LastRejected != nil && strings.Contains(s.Revision.LastRejected.Reasons[0], want)
		})
		g.now("/", http.StatusOK, "two")
	}
	damage(func(p map[string]any) { p["parts"], p["sha256"] = []string{key + ".none"}, strings.Repeat("0", 64) },
		"its part "+key+".none is not there")
	damage(func(p map[string]any) { p["sha256"] = strings.Repeat("0", 64) }, "its parts are those of another document")
	damage(func(p map[string]any) { p["v"] = 9 }, "form 9, want 1")
	consul.KVPut(key, good)
	g.wait("the pointer to be good again", func(s status) bool { return s.Revision.LastRejected == nil })

	lines := 1024 // 4 MiB
	if testserver.Race {
		lines /= 4
	}
	pushes(t, environ, one(apps["one"])+strings.Repeat("# "+strings.Repeat("x", 4094)+"\n", lines))
	g.answers("/", http.StatusOK, "one")
	requests.none(t)
}

// --force ends a quarantine, and not one that begins later.
func TestForcedRevision(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, env{"GATEWAY_SERVICE": "app"})
	bad := one(app(t, "bad")) + "# ends the process\n"
	pushes(t, environ, bad)
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "bad")
	g.signal(syscall.SIGKILL) // within its trial
	<-g.exited
	g = restored(t, environ)
	g.wait("the document to be refused", func(s status) bool { return s.Revision.LastRejected != nil })
	pushes(t, environ, bad, "--force")
	g.answers("/", http.StatusOK, "bad")
	g.signal(syscall.SIGKILL)
	<-g.exited
	g = restored(t, environ)
	s := g.wait("the document to be refused once more", func(s status) bool { return s.Revision.LastRejected != nil })
	if why := s.Revision.LastRejected.Reasons[0]; !strings.HasPrefix(why, "quarantined: ") {
		t.Errorf("rejected for %q", why)
	}
	if s.Verdict.State != "quarantined" {
		t.Errorf("the verdict is %q", s.Verdict.State)
	}
	g.now("/", http.StatusOK, "kept")
}
