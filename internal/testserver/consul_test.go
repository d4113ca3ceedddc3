package testserver

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestConsulKeepsItsDataAcrossStopAndStart(t *testing.T) {
	t.Parallel()
	s := Consul(t)
	addr := s.Addr()

	s.KVPut("a/b", "one")
	s.Stop()
	if resp, err := http.Get("http://" + addr + "/v1/status/leader"); err == nil {
		resp.Body.Close()
		t.Fatalf("stopped Consul answers: %v", resp.Status)
	}
	s.Start()

	if s.Addr() != addr {
		t.Errorf("address after Start = %v, want %v", s.Addr(), addr)
	}
	if got, ok := s.KV("a/b"); got != "one" || !ok {
		t.Errorf("KV(a/b) = %q, %v, want one, true", got, ok)
	}
	s.KVDelete("a/b")
	if got, ok := s.KV("a/b"); ok {
		t.Errorf("KV(a/b) after KVDelete = %q, want none", got)
	}
}

func TestConsulRestoreBringsTheStoreBack(t *testing.T) {
	t.Parallel()
	s := Consul(t)
	s.KVPut("k", "old")
	snapshot := s.Snapshot()
	s.KVPut("k", "new")
	s.Restore(snapshot)
	if got, _ := s.KV("k"); got != "old" {
		t.Errorf("KV(k) after Restore = %q, want old", got)
	}
}

// TestConsulRestoreAfterAnInterruptedOne: what a Consul keeps that was killed in its restore is a snapshot at an index
// that its log has not reached.
func TestConsulRestoreAfterAnInterruptedOne(t *testing.T) {
	t.Parallel()
	s := Consul(t)
	s.KVPut("k", "old")
	snapshot := s.Snapshot()
	s.KVPut("k", "new")
	s.http.Timeout = 5 * time.Second
	s.Pause() // as it does by itself, now and then
	s.Restore(snapshot)
	if got, _ := s.KV("k"); got != "old" {
		t.Errorf("KV(k) after Restore = %q, want old", got)
	}
	s.KVPut("k", "newer")
}

func TestConsulPauseHangs(t *testing.T) {
	t.Parallel()
	s := Consul(t)
	s.Pause()
	client := http.Client{Timeout: 200 * time.Millisecond}
	resp, err := client.Get("http://" + s.Addr() + "/v1/status/leader")
	if err == nil {
		resp.Body.Close()
		t.Fatalf("paused Consul answers: %v", resp.Status)
	}
	s.Resume()
	s.KVPut("k", "v")
}

func TestConsulInstanceStates(t *testing.T) {
	t.Parallel()
	s := Consul(t)
	want := func(after, status string) {
		t.Helper()
		WaitFor(t, 20*time.Second, status+" after "+after, func() bool { return instance(s, "api", "api-1") == status })
	}
	s.Register(Service{ID: "api-1", Name: "api", Port: 9000, Tags: []string{"v1"}, Weight: 5})
	want("Register", "passing")
	s.Warn("api-1")
	want("Warn", "warning")
	s.Critical("api-1")
	want("Critical", "critical")
	s.Pass("api-1")
	want("Pass", "passing")
	s.Maintenance("api-1", true)
	want("Maintenance on", "maintenance")
	s.Maintenance("api-1", false)
	want("Maintenance off", "passing")
	s.Deregister("api-1")
	want("Deregister", "gone")
}

func TestConsulDenyByDefault(t *testing.T) {
	t.Parallel()
	s := Consul(t, DenyByDefault)
	s.KVPut("mine/k", "v")
	s.KVPut("other/k", "v")
	token := s.NewToken(`key_prefix "mine/" { policy = "read" }`)
	get := func(key, token string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "http://"+s.Addr()+"/v1/kv/"+key, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Consul-Token", token)
		resp, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, row := range []struct {
		key, token string
		want       int
	}{
		{"mine/k", token.Secret, 200},
		{"other/k", token.Secret, 403},
		{"mine/k", "", 403},
		{"other/k", s.Token(), 200},
	} {
		if got := get(row.key, row.token); got != row.want {
			t.Errorf("GET %s with token %q = %d, want %d", row.key, row.token, got, row.want)
		}
	}
	s.DeleteToken(token)
	WaitFor(t, 20*time.Second, "the deleted token to be refused",
		func() bool { return get("mine/k", token.Secret) == 403 })
}

// instance is the state of one instance in the catalog, as a proxy would see it.
func instance(s *ConsulServer, service, id string) string {
	var entries []struct {
		Service struct{ ID string }
		Checks  []struct{ CheckID, Status string }
	}
	if err := json.Unmarshal(s.Call(http.MethodGet, "/v1/health/service/"+service, nil), &entries); err != nil {
		return err.Error()
	}
	for _, e := range entries {
		if e.Service.ID != id {
			continue
		}
		status := "no check"
		for _, c := range e.Checks {
			switch c.CheckID {
			case "_service_maintenance:" + id:
				return "maintenance"
			case check(id):
				status = c.Status
			}
		}
		return status
	}
	return "gone"
}
