package sidecar_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// pipe is a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reader opens a pipe to read, which waits for nobody.
func reader(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// logs makes a request and waits until its line comes out of the pipe.
func (g *gateway) logs(from *bufio.Reader, path string) {
	g.t.Helper()
	g.now(path, http.StatusOK, "app")
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			g.t.Fatalf("%v before the line of %s", err, path)
		}
		if strings.Contains(line, `"`+path+`"`) {
			return
		}
	}
}

// troubled waits until the status tells of a trouble with the text and the path, or does not.
func (g *gateway) troubled(text, path string, want bool) {
	g.t.Helper()
	g.wait(text, func(s status) bool {
		return want == slices.ContainsFunc(s.Trouble, func(line string) bool {
			return strings.Contains(line, text) && strings.Contains(line, path)
		})
	})
}

const notReopened = "access log cannot be opened anew, the open one stays in use"

// An access log that is a pipe is opened anew by SIGHUP without waiting for its reader, who may be there, gone, or stuck.
func TestHangupWithALogThatIsAPipe(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (path string, from *os.File, g *gateway) {
		path = pipe(t)
		from = reader(t, path)
		if err := from.SetReadDeadline(time.Now().Add(longestWait)); err != nil {
			t.Fatal(err)
		}
		return path, from, serve(t, env{"GATEWAY_APP": app(t, "app"), "GATEWAY_ACCESS_LOG": path})
	}
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		_, from, g := begin(t)
		lines := bufio.NewReader(from)
		g.logs(lines, "/before")
		g.signal(syscall.SIGHUP)
		g.logs(lines, "/after")
		g.wantLines(map[string]int{notReopened: 0})
	})
	t.Run("not read any more", func(t *testing.T) {
		t.Parallel()
		path, from, g := begin(t)
		g.logs(bufio.NewReader(from), "/before")
		from.Close()
		g.signal(syscall.SIGHUP)
		if line := g.waitLogged(notReopened); !strings.Contains(line["error"].(string), "nobody reads") {
			t.Errorf("logged %v, want that nobody reads the pipe", line)
		}
		g.troubled("access log cannot be opened anew", path, true)
		g.now("/without", http.StatusOK, "app")
		from = reader(t, path)
		if err := from.SetReadDeadline(time.Now().Add(longestWait)); err != nil {
			t.Fatal(err)
		}
		g.signal(syscall.SIGHUP)
		g.logs(bufio.NewReader(from), "/after")
		g.waitLogged("access log is opened anew, as it could not be before")
		g.troubled("access log cannot be opened anew", path, false)
	})
	t.Run("stuck", func(t *testing.T) {
		t.Parallel()
		_, _, g := begin(t)
		long := "/" + strings.Repeat("x", 1000)
		for range 150 { // more than a pipe holds
			g.now(long, http.StatusOK, "app")
		}
		g.signal(syscall.SIGHUP)
		g.signal(syscall.SIGHUP)
		g.now("/after", http.StatusOK, "app")
		g.signal(syscall.SIGTERM)
		if code := g.exit(longestWait / 2); code != 0 {
			t.Errorf("it ended with code %d, want 0", code)
		}
	})
}

// A log named as /dev/stdout may lead to a pipe, as in a container.
func TestHangupWithALogToStdout(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	admin, listen := testserver.Addr(t), testserver.Addr(t)
	cmd := exec.Command(path)
	cmd.Env = []string{"GATEWAY_ACCESS_LOG=/dev/stdout", "GATEWAY_APP=" + app(t, "app"), "GATEWAY_LISTEN=" + listen,
		"GATEWAY_ADMIN_LISTEN=" + admin, "GATEWAY_DRAIN_DELAY=0s"}
	cmd.SysProcAttr = testserver.DieWithParent()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // its end is looked at
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway: %v", err)
		}
	})
	g := &gateway{t: t, url: "http://" + listen, admin: "http://" + admin}
	testserver.WaitFor(t, longestWait, "the gateway to be ready", func() bool {
		code, _, err := fetch(g.admin + "/ready")
		return err == nil && code == http.StatusOK
	})
	lines := bufio.NewReader(out)
	g.logs(lines, "/before")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.logs(lines, "/after")
}

// A shell's <(command) is a pipe, and a document like any other; so are several.
func TestValidateWhatAShellPipes(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	validate := func(arguments string) (out string, code int) {
		cmd := exec.Command("bash", "-c", path+" validate "+arguments)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		text, _ := cmd.CombinedOutput() // its exit code is looked at
		return string(text), cmd.ProcessState.ExitCode()
	}
	const good = "routes: [{name: all, cluster: app}]"
	for _, row := range []struct {
		arguments string
		code      int
		want      string
	}{
		{`<(echo '` + good + `'; echo 'clusters: [{name: app, endpoints: ["127.0.0.1:80"]}]')`, 0,
			": fine (1 listener, 1 route"},
		{`<(echo '` + good + `') <(echo 'clusters: [{name: app, endpoints: ["127.0.0.1:80"]}]')`, 0,
			": fine (1 listener, 1 route"},
		{`<(echo '` + good + `')`, 1, ":1:31: routes[0].cluster: cluster app is not defined"},
		{`<(head -c 9000000 /dev/zero)`, 1, ": larger than 8 MiB"},
		{`<(true)`, 1, "empty"},
	} {
		if out, code := validate(row.arguments); code != row.code || !strings.Contains(out, row.want) {
			t.Errorf("validate %s: code %d and\n%s\nwant %d and %q", row.arguments, code, out, row.code, row.want)
		}
	}
}

// A token file that is spoiled while the gateway runs is told of, and so is that it is whole again. The token that was
// read before stays in use.
func TestTokenFileThatIsSpoiled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	consul := testserver.Consul(t)
	g := serve(t, env{"GATEWAY_APP": app(t, "app"), "GATEWAY_SOURCE": "env", "CONSUL_HTTP_ADDR": consul.Addr(),
		"CONSUL_HTTP_TOKEN_FILE": path, "GATEWAY_UPSTREAMS": "users=consul:users"})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	line := g.waitLogged("consul token file is broken, the last good token stays in use")
	if why, _ := line["reason"].(string); !strings.Contains(why, "CONSUL_HTTP_TOKEN_FILE: "+path+": ") {
		t.Errorf("logged %v, want the variable and the file", line)
	}
	g.troubled("Consul token", path, true)
	write("one")
	g.waitLogged("consul token file is whole again")
	g.troubled("Consul token", path, false)
	g.now("/", http.StatusOK, "app")
}
