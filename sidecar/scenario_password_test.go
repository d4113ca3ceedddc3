package sidecar_test

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// Where nothing is watched, SIGHUP has password files read. One that is broken is in the log and in the status, and the
// last good one serves.
func TestSIGHUPReadsPasswordFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	document, users := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "users")
	user := func(password string) string {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return "ann:" + string(hash) + "\n"
	}
	write(t, users, user("old"))
	write(t, document,
		"routes:\n- {name: a, match: {path: /a}, basic_auth: {file: "+users+"}, respond: {status: 204}}\n")
	g := serve(t, env{"GATEWAY_CONFIG": document, "GATEWAY_BENCHMARK": "true"})
	login := func(password string) int {
		req, err := http.NewRequest("GET", g.url+"/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("ann", password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := login("old"); got != 204 {
		t.Fatalf("with the password: %d, want 204", got)
	}
	write(t, users, user("new"))
	g.signal(syscall.SIGHUP)
	testserver.WaitFor(t, longestWait, "the new password to be taken", func() bool { return login("new") == 204 })
	if got := login("old"); got != 401 {
		t.Errorf("with the old password: %d, want 401", got)
	}
	write(t, users, "ann:new\n")
	g.signal(syscall.SIGHUP)
	if l := g.waitLogged("password file is broken; the last good one stays in use"); l["path"] != users {
		t.Errorf("logged %v, want the path %s", l, users)
	}
	if got := login("new"); got != 204 {
		t.Errorf("while the file is broken: %d, want 204", got)
	}
}
