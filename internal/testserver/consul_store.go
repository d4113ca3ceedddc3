package testserver

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
)

// KVPut stores a value.
func (s *ConsulServer) KVPut(key, value string) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/kv/"+key, []byte(value))
}

// KVDelete deletes one key; that it was not there is no error.
func (s *ConsulServer) KVDelete(key string) {
	s.process.t.Helper()
	s.Call(http.MethodDelete, "/v1/kv/"+key, nil)
}

// KV returns a value, and whether the key is there.
func (s *ConsulServer) KV(key string) (value string, ok bool) {
	s.process.t.Helper()
	entry, ok := s.KVEntry(key)
	return string(entry.Value), ok
}

// KVEntry is what Consul has under a key.
type KVEntry struct {
	Session     string // which holds it; empty = none
	ModifyIndex uint64
	Value       []byte
}

// KVEntry returns what there is under a key, in one read, and whether it is there.
func (s *ConsulServer) KVEntry(key string) (entry KVEntry, ok bool) {
	s.process.t.Helper()
	path := "/v1/kv/" + key
	status, answer, err := s.try(http.MethodGet, path, nil)
	var all []KVEntry
	switch {
	case err != nil:
		s.process.t.Fatalf("consul: %v", err)
	case status == http.StatusNotFound:
		return KVEntry{}, false
	case status != http.StatusOK || json.Unmarshal(answer, &all) != nil || len(all) != 1:
		s.process.t.Fatalf("consul: GET %s: status %d: %s", path, status, answer)
	}
	return all[0], true
}

// Holds tells whether it answers, right now and from what it knows, that the key has this value. The service must also
// have instances with these ports, in any order. Any error is a no.
func (s *ConsulServer) Holds(key, value, service string, ports ...int) bool {
	status, answer, err := s.try(http.MethodGet, "/v1/kv/"+key+"?raw", nil)
	if err != nil || status != http.StatusOK || string(answer) != value {
		return false
	}
	var instances []struct{ Service struct{ Port int } }
	status, answer, err = s.try(http.MethodGet, "/v1/health/service/"+service, nil)
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &instances) != nil {
		return false
	}
	var got []int
	for _, i := range instances {
		got = append(got, i.Service.Port)
	}
	slices.Sort(got)
	slices.Sort(ports)
	return slices.Equal(got, ports)
}

// Snapshot returns the whole state of the store.
func (s *ConsulServer) Snapshot() []byte {
	s.process.t.Helper()
	return s.Call(http.MethodGet, "/v1/snapshot", nil)
}

// Restore puts the store back to a Snapshot. Its indexes go back too.
//
// Now and then Consul 1.22 stands still in its restore for ever, with all of the snapshot read. It is killed then, and
// restores again once it has started. Its raft data are deleted before. They hold the snapshot at an index that its log
// has not reached, and with them Consul finds no leader ("non-monotonic log entries").
func (s *ConsulServer) Restore(snapshot []byte) {
	s.process.t.Helper()
	const path = "/v1/snapshot"
	status, answer, err := s.try(http.MethodPut, path, snapshot)
	slow, ok := errors.AsType[net.Error](err)
	switch {
	case ok && slow.Timeout():
		s.process.t.Logf("consul stands still in a restore: %v", err)
		s.Stop()
		if err := os.RemoveAll(filepath.Join(s.data, "raft")); err != nil {
			s.process.t.Fatal(err)
		}
		s.Start()
		s.Call(http.MethodPut, path, snapshot)
	case err != nil || status != http.StatusOK:
		s.process.t.Fatalf("consul: %s: status %d: %s, %v", path, status, answer, err)
	}
}

// A Token is a credential made by [ConsulServer.NewToken].
type Token struct {
	Accessor string `json:"AccessorID"`
	Secret   string `json:"SecretID"`

	policy struct{ ID, Name string }
}

// NewToken makes a token with the given rules, such as `key_prefix "" { policy = "read" }`.
func (s *ConsulServer) NewToken(rules string) Token {
	s.process.t.Helper()
	var token Token
	policy := s.Call(http.MethodPut, "/v1/acl/policy", map[string]any{"Name": "test-" + rand.Text(), "Rules": rules})
	decode(s.process.t, policy, &token.policy)
	decode(s.process.t, s.Call(http.MethodPut, "/v1/acl/token", map[string]any{
		"Policies": []map[string]string{{"ID": token.policy.ID}},
	}), &token)
	return token
}

// SetRules gives a token other rules.
func (s *ConsulServer) SetRules(token Token, rules string) {
	s.process.t.Helper()
	s.Call(http.MethodPut, "/v1/acl/policy/"+token.policy.ID, map[string]any{"Name": token.policy.Name, "Rules": rules})
}

// DeleteToken makes a token worthless.
func (s *ConsulServer) DeleteToken(token Token) {
	s.process.t.Helper()
	s.Call(http.MethodDelete, "/v1/acl/token/"+url.PathEscape(token.Accessor), nil)
}
