package sidecar_test

import (
	"bytes"
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
	shell(t, readmeBlock(t, "try"), "GATEWAY_LISTEN="+listen, "GATEWAY_ADMIN_LISTEN="+admin, "GATEWAY_CONFIG="+config)
	testserver.WaitFor(t, 3*longestWait, "the demo app", func() bool {
		code, body, err := fetch("http://" + listen + "/hello")
		return err == nil && code == http.StatusOK && strings.HasPrefix(body, "the demo app was asked")
	})
	if _, err := os.Stat(config); err != nil {
		t.Error(err)
	}
}

// The block with a real Consul, on ports that are free, and what the README says after it.
func TestReadmeConsul(t *testing.T) {
	t.Parallel()
	gateway, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	consul, listen, admin := testserver.Addr(t), testserver.Addr(t), testserver.Addr(t)
	agent := "agent -dev -dns-port=-1 -grpc-port=-1 -grpc-tls-port=-1 -http-port=" + strconv.Itoa(port(t, consul))
	for _, name := range []string{"server", "serf-lan", "serf-wan"} {
		agent += fmt.Sprintf(" -%s-port=%d", name, testserver.Port(t))
	}
	script := readmeBlock(t, "consul")
	for _, change := range []struct{ from, to string }{
		{"consul agent -dev", testserver.Binary(t, "consul") + " " + agent},
		{"consul kv", testserver.Binary(t, "consul") + " kv"},
		{"127.0.0.1:8500", consul},
		{"127.0.0.1:8080", listen},
		{"bin/gateway", gateway},
	} {
		if !strings.Contains(script, change.from) {
			t.Fatalf("the block does not say %q any more", change.from)
		}
		script = strings.ReplaceAll(script, change.from, change.to)
	}
	out, done := shell(t, script, "CONSUL_HTTP_ADDR="+consul, "GATEWAY_LISTEN="+listen, "GATEWAY_ADMIN_LISTEN="+admin)
	if err := <-done; err != nil {
		t.Fatalf("the block: %v", err)
	}
	if !strings.Contains(out(), "HTTP/1.1 503 Service Unavailable") || !strings.Contains(out(), "no healthy upstream") {
		t.Error("the last line does not answer 503")
	}

	orders := app(t, "orders")
	body := fmt.Sprintf(`{"Name": "orders", "Tags": ["stable"], "Address": "127.0.0.1", "Port": %d}`, port(t, orders))
	put, err := http.NewRequest(http.MethodPut, "http://"+consul+"/v1/agent/service/register",
		bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(put)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	testserver.WaitFor(t, longestWait, "the service to be found without a restart", func() bool {
		return run(t, "curl", "-s", "-H", "Host: shop.example.com", "http://"+listen+"/orders") == "orders"
	})
}
