package testserver

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// callTimeout bounds one call to Consul's API: writes wait for an election.
const callTimeout = 30 * time.Second

// managementToken has every right in a Consul started with [DenyByDefault].
const managementToken = "6b1f2c7e-52d9-4b55-9a31-0d2f4f1e8a10"

// ConsulServer is a running Consul: a single server, which is also the agent that
// services are registered at.
type ConsulServer struct {
	process *process
	addr    string
	data    string // its folder
	serf    string // where agents join
	wan     string // where servers of other datacenters join; empty for an agent
	token   string // sent with every call; empty without ACLs
	http    *http.Client
}

// recoveryToken has the rights to the agent itself, with ACLs, also while no server tells it what a token may do.
const recoveryToken = "2f6f5d1e-6f0b-4d0c-8d0b-5b7a7c1f9e42"

// A ConsulOption changes the configuration that [Consul] starts with.
type ConsulOption func(config map[string]any)

// DenyByDefault switches ACLs on: without a token nothing is seen. The calls of
// [ConsulServer] carry the token with all rights.
func DenyByDefault(config map[string]any) {
	config["acl"] = map[string]any{
		"enabled":        true,
		"default_policy": "deny",
		"tokens": map[string]any{
			"initial_management": managementToken,
			"agent":              managementToken,
			"agent_recovery":     recoveryToken,
		},
	}
}

// ConsulConfig sets keys of Consul's configuration file, as the whole value of each.
func ConsulConfig(keys map[string]any) ConsulOption {
	return func(config map[string]any) { maps.Copy(config, keys) }
}

// Datacenter makes the server the one of a datacenter of that name, which [ConsulServer.Federate] joins with others.
func Datacenter(t testing.TB, name string) ConsulOption {
	return func(config map[string]any) {
		config["datacenter"], config["node_name"] = name, name+"-test"
		config["ports"].(map[string]any)["serf_wan"] = Port(t)
	}
}

// Federate joins the datacenter with that of other, and returns when each answers for both. Both have been started with
// [Datacenter].
func (s *ConsulServer) Federate(other *ConsulServer) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/agent/join/"+other.wan+"?wan=1", nil)
	for _, one := range []*ConsulServer{s, other} {
		WaitFor(s.process.t, callTimeout, "both datacenters", func() bool {
			status, body, err := one.try(http.MethodGet, "/v1/catalog/datacenters", nil)
			var names []string
			return err == nil && status == http.StatusOK && json.Unmarshal(body, &names) == nil && len(names) == 2
		})
	}
}

// Consul starts a Consul server that keeps its data in a temporary folder, and
// returns when it has elected itself leader and takes writes.
func Consul(t testing.TB, options ...ConsulOption) *ConsulServer {
	t.Helper()
	port := Port(t)
	dir := t.TempDir()
	config := consulConfig(t, dir, port)
	for _, option := range options {
		option(config)
	}
	s := &ConsulServer{
		addr: loopback(port),
		data: config["data_dir"].(string),
		serf: loopback(config["ports"].(map[string]any)["serf_lan"].(int)),
		http: &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if wan, server := config["ports"].(map[string]any)["serf_wan"].(int); server {
		s.wan = loopback(wan)
	}
	if _, acl := config["acl"]; acl {
		s.token = managementToken
	}
	file := filepath.Join(dir, "consul.json")
	if err := os.WriteFile(file, encode(t, config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = newProcess(t, dir, "consul", "agent", "-config-file="+file)
	s.Start()
	return s
}

// ConsulAgent starts a client agent of server, as runs on the nodes of a cluster, and returns when it
// passes writes on. It has ACLs where the server has.
func ConsulAgent(t testing.TB, server *ConsulServer) *ConsulServer {
	t.Helper()
	return Consul(t, func(config map[string]any) {
		if server.token != "" {
			DenyByDefault(config)
		}
		config["server"] = false
		config["node_name"] = "agent-" + strings.ToLower(rand.Text())
		config["retry_join"] = []string{server.serf}
		delete(config, "bootstrap_expect")
		delete(config["ports"].(map[string]any), "serf_wan")
	})
}

// Wipe deletes the data of a stopped server: the next Start is that of a new cluster.
func (s *ConsulServer) Wipe() {
	s.process.t.Helper()
	if err := os.RemoveAll(s.data); err != nil {
		s.process.t.Fatal(err)
	}
}

// Join has an agent join server, which it does not by itself when the server was rebuilt.
func (s *ConsulServer) Join(server *ConsulServer) {
	s.process.t.Helper()
	as := *s
	if s.token != "" {
		as.token = recoveryToken // the agent may have forgotten what the other one may do, and has nobody to ask
	}
	as.Call(http.MethodPut, "/v1/agent/join/"+server.serf, nil)
}

// consulConfig is a server that forgets nothing when killed (-dev would), elects itself quickly. It speaks only HTTP
// and what it needs to talk to itself.
func consulConfig(t testing.TB, dir string, port int) map[string]any {
	t.Helper()
	const off = -1
	return map[string]any{
		"server":           true,
		"bootstrap_expect": 1,
		"node_name":        "test",
		"data_dir":         filepath.Join(dir, "data"),
		"bind_addr":        "127.0.0.1",
		"client_addr":      "127.0.0.1",
		"log_level":        "info",
		"ports": map[string]any{
			"http":     port,
			"server":   Port(t),
			"serf_lan": Port(t),
			"serf_wan": off,
			"https":    off,
			"grpc":     off,
			"grpc_tls": off,
			"dns":      off,
		},
		"performance": map[string]any{"raft_multiplier": 1},
		// All gateways of a test come from one address, which would have 200 connections together.
		"limits":               map[string]any{"http_max_conns_per_client": 5000},
		"disable_update_check": true,
	}
}

// Addr is the host:port of its HTTP API.
func (s *ConsulServer) Addr() string { return s.addr }

// Token is the token with all rights; empty without [DenyByDefault].
func (s *ConsulServer) Token() string { return s.token }

// CPU is what Consul has used of the processors since it was started; ok is false where the system does not tell.
func (s *ConsulServer) CPU() (used time.Duration, ok bool) {
	if s.process.cmd == nil {
		return 0, false
	}
	return CPU(s.process.cmd.Process.Pid)
}

// Stop kills Consul. Its data stay.
func (s *ConsulServer) Stop() { s.process.stop() }

// Start starts Consul again after Stop, with its data and on its address.
func (s *ConsulServer) Start() {
	s.process.t.Helper()
	s.process.start(s.takesWrites)
}

// Pause freezes Consul: it accepts connections (the kernel does) and never answers.
func (s *ConsulServer) Pause() {
	s.process.t.Helper()
	s.process.signal(syscall.SIGSTOP)
	WaitFor(s.process.t, 10*time.Second, "Consul to stand still",
		func() bool { return stopped(s.process.cmd.Process.Pid) })
}

// Resume ends Pause.
func (s *ConsulServer) Resume() {
	s.process.t.Helper()
	s.process.signal(syscall.SIGCONT)
}

// takesWrites reports whether there is a leader, and has it shown by a write.
func (s *ConsulServer) takesWrites() bool {
	status, _, err := s.try(http.MethodPut, "/v1/kv/testserver/started", nil)
	return err == nil && status == http.StatusOK
}

// Call sends one request to the API and ends the test unless the answer is 200.
// body is sent as it is if it is []byte, else as JSON; nil is no body.
func (s *ConsulServer) Call(method, path string, body any) []byte {
	s.process.t.Helper()
	status, answer, err := s.try(method, path, body)
	if err != nil {
		s.process.t.Fatalf("consul: %v", err)
	}
	if status != http.StatusOK {
		s.process.t.Fatalf("consul: %s %s: status %d: %s", method, path, status, answer)
	}
	return answer
}

func (s *ConsulServer) try(method, path string, body any) (status int, answer []byte, err error) {
	s.process.t.Helper()
	content, raw := body.([]byte)
	if !raw && body != nil {
		content = encode(s.process.t, body)
	}
	req, err := http.NewRequest(method, "http://"+s.addr+path, bytes.NewReader(content))
	if err != nil {
		return 0, nil, err
	}
	if s.token != "" {
		req.Header.Set("X-Consul-Token", s.token)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t testing.TB, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
