package sidecar_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// readmeBlock is the shell block of the README with this id.
func readmeBlock(t *testing.T, id string) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("<!-- block: " + id + " -->\n```sh\n((?s:.*?))```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the README has no block %q", id)
	}
	return string(m[1])
}

// shell runs a script in the root of the tree until the test ends, with all that it leaves running.
func shell(t *testing.T, script string, environ ...string) (out func() string, done <-chan error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	gone := make(chan struct{})
	go func() { // ends with the script, which the clean-up kills
		ended <- cmd.Wait()
		close(gone)
	}()
	out = func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Cleanup(func() {
		// The group of this script is all that it has started. What ends by itself cleans up behind it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-gone:
		case <-time.After(longestWait):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
		if t.Failed() {
			t.Logf("the script said:\n%s", out())
		}
	})
	return out, ended
}

// What a person copies first.
func TestReadmeTry(t *testing.T) {
	t.Parallel()
	listen, admin := testserver.Addr(t), testserver.Addr(t)
	config := filepath.Join(t.TempDir(), "gateway.dev.yaml")
	build := exec.CommandContext(t.Context(), "go", "run", ".", "--version") // takes as long as it takes, and is kept
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shell(t, readmeBlock(t, "try"), "GATEWAY_LISTEN="+listen, "GATEWAY_ADMIN_LISTEN="+admin, "GATEWAY_CONFIG="+config)
	testserver.WaitFor(t, 3*longestWait, "the demo app", func() bool {
		code, body, err := fetch("http://" + listen + "/hello")
		return err == nil && code == http.StatusOK && strings.HasPrefix(body, "the demo app was asked")
	})
	if _, err := os.Stat(config); err != nil {
		t.Error(err)
	}
}

// consulBlock is the README's block with a real Consul, on ports that are free. Consul is the program of that path.
func consulBlock(t *testing.T, program, agent, consul string) (script, listen string) {
	t.Helper()
	gateway, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	listen = testserver.Addr(t)
	script = readmeBlock(t, "consul")
	for _, address := range []string{":8080", ":9901"} {
		if strings.Contains(script, address) {
			t.Errorf("the block names %s, where `gateway dev` listens", address)
		}
	}
	app := testserver.Port(t)
	for _, change := range []struct{ from, to string }{
		{"make build", "true"},
		{"consul version", program + " version"},
		{"consul agent -dev", program + " " + agent},
		{"consul services", program + " services"},
		{"127.0.0.1:8500", consul},
		{"127.0.0.1:3000", "127.0.0.1:" + strconv.Itoa(app)},
		{"-port=3000", "-port=" + strconv.Itoa(app)},
		{"127.0.0.1:3001", testserver.Addr(t)},
		{"127.0.0.1:8090", listen},
		{"127.0.0.1:9990", testserver.Addr(t)},
		{"bin/gateway dev", gateway + " dev --config " + filepath.Join(t.TempDir(), "gateway.dev.yaml")},
		{"bin/gateway", gateway},
	} {
		if !strings.Contains(script, change.from) {
			t.Fatalf("the block does not say %q any more", change.from)
		}
		script = strings.ReplaceAll(script, change.from, change.to)
	}
	return script, listen
}

// The block with a real Consul, beside a `gateway dev` that was left open, and what the README says after it.
func TestReadmeConsul(t *testing.T) {
	t.Parallel()
	consul, program := testserver.Addr(t), testserver.Binary(t, "consul")
	agent := "agent -dev -dns-port=-1 -grpc-port=-1 -grpc-tls-port=-1 -http-port=" + strconv.Itoa(port(t, consul))
	for _, name := range []string{"server", "serf-lan", "serf-wan"} {
		agent += fmt.Sprintf(" -%s-port=%d", name, testserver.Port(t))
	}
	open := serve(t, nil, "dev")
	script, listen := consulBlock(t, program, agent, consul)
	out, done := shell(t, script, "CONSUL_HTTP_ADDR="+consul,
		"GATEWAY_LISTEN="+strings.TrimPrefix(open.url, "http://"),
		"GATEWAY_ADMIN_LISTEN="+strings.TrimPrefix(open.admin, "http://"))
	if err := <-done; err != nil {
		t.Fatalf("the block: %v", err)
	}
	if !strings.Contains(out(), "HTTP/1.1 200 OK") || !strings.Contains(out(), "GET /v1/orders") {
		t.Error("the last line does not answer 200 by the app")
	}

	ask := func() string { return run(t, "curl", "-s", "-H", "Host: shop.example.com", "http://"+listen+"/orders") }
	for range 40 { // the canary too
		if text := ask(); !strings.Contains(text, "GET /v1/orders") {
			t.Fatalf("the app answers %q", text)
		}
	}
}

// Without Consul the block ends, and says why.
func TestReadmeConsulMissing(t *testing.T) {
	t.Parallel()
	script, _ := consulBlock(t, filepath.Join(t.TempDir(), "consul"), "agent -dev", testserver.Addr(t))
	out, done := shell(t, script)
	select {
	case err := <-done:
		if err == nil || !strings.Contains(out(), "not found") {
			t.Errorf("the block ended with %v and said %q", err, out())
		}
	case <-time.After(longestWait):
		t.Error("the block waits")
	}
}

// `make test` says what it installs before it does. Every program that would change this machine is a stand-in here.
func TestPackagesAreNamedBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"apt-get", "sudo", "tee", "chmod", "rm", "env"} {
		text := "#!/bin/sh\necho ran " + name + " >&2\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bash", "id", "uname"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "bash"), "../tools/packages")
	cmd.Env = []string{"PATH=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before, _, ran := strings.Cut(string(out), "ran ")
	if !ran || !strings.Contains(before, "installing") || !strings.Contains(before, "nghttp2-client") {
		t.Errorf("tools/packages said %q before it ran anything", before)
	}
}
