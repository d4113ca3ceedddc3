package sidecar_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// A gateway that waits for its turn says so to the author of a push, and goes back without waiting.
func testTurns(t *testing.T, f *fleet) {
	const spread = "10m"
	a, b := one(app(t, "a")), one(app(t, "b"))
	f.person(a, "push", "-")
	g := f.gateway("one", env{"GATEWAY_SPREAD": spread})
	g.answers("/", http.StatusOK, "a") // a first revision comes at once
	f.says("one", `"state":"applied"`)
	code, told := f.person(b, "push", "-", "--wait", "2s")
	if code != 3 || !strings.Contains(told, "\n1 waits (until 2") || !strings.Contains(told, "GATEWAY_SPREAD (10m0s)") {
		t.Errorf("push: code %d\n%s", code, told)
	}
	f.says("one", `"state":"waiting"`, `"until":"2`)
	g.waitLogged("revision waits for its turn, the one before goes on serving")
	if s := g.status(); s.Revision.Held == nil || !s.Ready || len(s.Trouble) != 0 {
		t.Errorf("ready %v, trouble %q, revision %+v", s.Ready, s.Trouble, s.Revision)
	}
	g.now("/", http.StatusOK, "a")

	g.signal(syscall.SIGHUP) // a person wants it here
	g.answers("/", http.StatusOK, "b")
	if code, told := f.person("", "rollback", "--wait", "20s"); code != 0 || !strings.Contains(told, "\n1 serves\n") {
		t.Errorf("rollback: code %d\n%s", code, told)
	}
	g.now("/", http.StatusOK, "a")
}

// Who stops push --wait is told that the document stays live.
func testStoppedWait(t *testing.T, f *fleet) {
	f.person(one(app(t, "a")), "push", "-")
	g := f.gateway("one", env{"GATEWAY_SPREAD": "10m"})
	f.says("one", `"state":"applied"`)
	cmd := f.verb(one(app(t, "b")), "push", "-", "--wait", "1m")
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "1 waits") {
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	code := f.ended(cmd.Wait())
	if text := told.String(); code != 3 || !strings.HasPrefix(text, "gateway: stopped: ") ||
		!strings.Contains(text,
			" is live, and stays so; gateway fleet tells what becomes of it (so far: 1 waits (until 2") {
		t.Errorf("code %d, %q", code, text)
	}
	g.now("/", http.StatusOK, "a")
}
