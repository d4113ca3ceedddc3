package consul

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

const testKey = "gateway/web/config"

func kvSource(t *testing.T, c *Client, key string) discovery.Source {
	t.Helper()
	s, err := c.Source(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// waitStatus waits for a status that a test names by its error class.
func waitStatus(t *testing.T, s discovery.Source, class string) discovery.Status {
	t.Helper()
	testserver.WaitFor(t, patience, "a status of class "+class, func() bool { return s.Status().Class == class })
	return s.Status()
}

func keyFollowsConsul(t *testing.T, consul *testserver.ConsulServer) {
	s := kvSource(t, newConsul(t, consul.Addr()), testKey)
	out := follow(t, s)
	want(t, out, "(negative)")
	consul.KVPut(testKey, "one")
	first := want(t, out, "one")
	if first.Source != "consul" || first.Index == 0 || len(first.Parts) != 1 || first.Parts[0].Name != "" {
		t.Errorf("document %+v, want one of Consul with its index and without a name", first)
	}
	consul.KVPut("gateway/web/other", "no business of ours")
	consul.KVPut(testKey, "one") // does not even wake
	consul.KVPut(testKey, "two")
	if second := want(t, out, "two"); second.Index <= first.Index || second.Hash == first.Hash {
		t.Errorf("index %d and hash %s after %d and %s", second.Index, second.Hash, first.Index, first.Hash)
	}
	consul.KVPut(testKey, "")
	want(t, out, "(refused) "+testKey+": empty")
	consul.KVDelete(testKey)
	want(t, out, "(negative)")
	consul.KVPut(testKey, "two")
	want(t, out, "two")
	s.Reload()
	want(t, out, "two")
}

func keyChangesAreNotCoalesced(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "start")
	out := follow(t, kvSource(t, newConsul(t, consul.Addr()), testKey))
	want(t, out, "start")
	for i := range 8 {
		consul.KVPut(testKey, fmt.Sprint("v", i))
		want(t, out, fmt.Sprint("v", i))
	}
}

func keyOutlivesConsul(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "one")
	c := newConsul(t, consul.Addr())
	s := kvSource(t, c, testKey)
	out := follow(t, s)
	want(t, out, "one")
	consul.Stop()
	waitStatus(t, s, "transport")
	consul.Start()
	waitStatus(t, s, "")
	if age, ok := c.Age(); !ok || age > patience {
		t.Errorf("age %v, %v, want that Consul has just answered", age, ok)
	}
	consul.KVPut(testKey, "two")
	want(t, out, "two") // and nothing in between
}

func keyBeforeConsul(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "one")
	consul.Stop()
	c := newConsul(t, consul.Addr())
	s := kvSource(t, c, testKey)
	out := follow(t, s)
	if st := waitStatus(t, s, "transport"); !st.LastOK.IsZero() {
		t.Errorf("last ok %v before there was a Consul", st.LastOK)
	}
	if _, ok := c.Age(); ok {
		t.Error("there is an age before there was an answer")
	}
	consul.Start()
	want(t, out, "one")
}

func keyThroughABrokenWire(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "one")
	wire := newProxy(t, consul.Addr())
	s := kvSource(t, newConsul(t, wire.addr()), testKey)
	out := follow(t, s)
	want(t, out, "one")
	wire.cut()
	waitStatus(t, s, "transport")
	consul.KVPut(testKey, "two")
	wire.mend()
	want(t, out, "two")
}

func keyAfterRestore(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "old")
	snapshot := consul.Snapshot()
	for i := range 20 {
		consul.KVPut("filler", fmt.Sprint(i))
	}
	consul.KVPut(testKey, "new")
	out := follow(t, kvSource(t, newConsul(t, consul.Addr()), testKey))
	last := want(t, out, "new")
	consul.Restore(snapshot)
	if d := want(t, out, "old"); d.Index >= last.Index {
		t.Errorf("index %d after %d, want that of the store before", d.Index, last.Index)
	}
	consul.KVPut(testKey, "after")
	want(t, out, "after")
}

func keyWithoutRights(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut(testKey, "one")
	token := consul.NewToken(`key_prefix "gateway/web/" { policy = "read" }`)
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, token.Secret)
	c := newConsul(t, consul.Addr(), func(o *Options) { o.TokenFile = path })
	runConsul(t, c)
	s := kvSource(t, c, testKey)
	out := follow(t, s)
	want(t, out, "one")
	consul.DeleteToken(token)
	consul.KVPut(testKey, "two") // wakes the parked request, which still has the old rights or is refused
	waitStatus(t, s, "acl")
	write(t, path, consul.Token())
	waitStatus(t, s, "")
	consul.KVPut(testKey, "three")
	for body(next(t, out)) != "three" { // "two" may have come, once or not at all
	}
}

func folder(t *testing.T, consul *testserver.ConsulServer) {
	const folder = "gateway/web/conf/"
	s := kvSource(t, newConsul(t, consul.Addr()), folder)
	out := follow(t, s)
	want(t, out, "(negative)")
	consul.KVPut(folder, "") // the folder itself, as Consul's own pages make it
	transact(consul, set(folder+"b.yaml", "2"), set(folder+"a.yaml", "1"), set(folder+"deeper/x", "no part of it"))
	d := want(t, out, "a.yaml=1 b.yaml=2") // and not one of them alone first
	if d.Index == 0 {
		t.Error("a folder without an index")
	}
	consul.KVPut(folder+"deeper/x", "woken for nothing")
	consul.KVPut("gateway/web/config", "beside")
	consul.KVPut(folder+"b.yaml", "3")
	want(t, out, "a.yaml=1 b.yaml=3")
	consul.KVPut(folder+"c.yaml", "")
	want(t, out, "(refused) "+folder+"c.yaml: empty")
	consul.KVDelete(folder + "c.yaml")
	want(t, out, "a.yaml=1 b.yaml=3")
	transact(consul, remove(folder+"a.yaml"), remove(folder+"b.yaml"))
	want(t, out, "(negative)")
}

// operation is one part of a transaction, as Consul reads it.
type operation map[string]any

func set(key, value string) operation {
	return operation{"KV": map[string]any{"Verb": "set", "Key": key, "Value": []byte(value)}}
}

func remove(key string) operation {
	return operation{"KV": map[string]any{"Verb": "delete", "Key": key}}
}

// transact changes several keys at one moment, which no pause of the machine can part.
func transact(consul *testserver.ConsulServer, all ...operation) {
	consul.Call(http.MethodPut, "/v1/txn", all)
}

// A folder whose keys are written one after the other is delivered when its writer has come to rest.
func TestFolderComesToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kvSource(t, newConsul(t, "127.0.0.1:1"), "gateway/web/conf/").(*keySource)
		a, b := config.Part{Name: "a.yaml", Data: []byte("1")}, config.Part{Name: "b.yaml", Data: []byte("2")}
		states := [][]config.Part{{b}, {a, b}, {b}, {a}}
		pauses := []time.Duration{folderQuiet / 2, folderQuiet / 2, 3 * folderQuiet, folderQuiet / 2}
		n := 0
		s.watch.fetch = func(ctx context.Context, _ fetchOptions) (result[discovery.Document], error) {
			if n == len(states) {
				<-ctx.Done()
				return result[discovery.Document]{}, ctx.Err()
			}
			if err := sleep(ctx, pauses[n]); err != nil {
				return result[discovery.Document]{}, err
			}
			n++
			value := discovery.NewDocument("consul", s.key, states[n-1])
			return result[discovery.Document]{value: value, index: uint64(n)}, nil
		}
		out := follow(t, s)
		for _, text := range []string{"a.yaml=1 b.yaml=2", "a.yaml=1"} {
			if got := body(next(t, out)); got != text {
				t.Errorf("document %q, want %q", got, text)
			}
		}
	})
}

func folderIsNeverPartial(t *testing.T, consul *testserver.ConsulServer) {
	const folder = "gateway/web/conf/"
	consul.KVPut(folder+"a.yaml", "1")
	consul.KVPut(folder+"b.yaml", "2")
	half := consul.NewToken(`key "` + folder + `a.yaml" { policy = "read" }`)
	for _, row := range []struct{ name, token string }{{"half the rights", half.Secret}, {"nobody", ""}} {
		t.Run(row.name, func(t *testing.T) {
			s := kvSource(t, newConsul(t, consul.Addr(), func(o *Options) { o.Token = row.token }), folder)
			out := follow(t, s)
			waitStatus(t, s, "acl")
			select {
			case d := <-out:
				t.Errorf("document %q, want none", body(d))
			default:
			}
		})
	}
}

// A folder that is empty is woken by every write to the store: it must not be
// confirmed again and again.
func emptyFolderIsConfirmedOnce(t *testing.T, consul *testserver.ConsulServer) {
	s := kvSource(t, newConsul(t, consul.Addr()), "gateway/none/")
	out := follow(t, s)
	want(t, out, "(negative)")
	before := s.Status()
	for i := range 5 {
		consul.KVPut("other/key", fmt.Sprint(i))
	}
	testserver.WaitFor(t, patience, "wakeups", func() bool { return s.Status().Wakeups > before.Wakeups })
	if st := s.Status(); st.Confirmations != before.Confirmations {
		t.Errorf("%d confirmations, want %d", st.Confirmations, before.Confirmations)
	}
}

func TestKeyIsChecked(t *testing.T) {
	for _, key := range []string{"", "/", "/a", " a", "a ", "a//b", "../a", "a/..", "a/./b",
		strings.Repeat("x", 2000)} {
		if _, err := newConsul(t, "127.0.0.1:1").Source(key); err == nil {
			t.Errorf("key %q was taken", key)
		}
	}
	for _, key := range []string{"a", "a/", "gateway/web/config", "a b/c%2F?d", "..a"} {
		if _, err := newConsul(t, "127.0.0.1:1").Source(key); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestOddKeysAreFound(t *testing.T) {
	const key = "odd/a b%2F?c#d"
	var path atomic.Value
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		say(w, "7", `[{"Key":"x","Value":"b25l","ModifyIndex":5}]`)
	})
	d := want(t, follow(t, kvSource(t, c, key)), "one")
	if path.Load() != "/v1/kv/"+key || d.Index != 5 {
		t.Errorf("asked for %v, index %d, want %s and 5", path.Load(), d.Index, key)
	}
}

// An agent that has lost its servers may not have a view of its own yet. Then it says 200 [] or 404 with index 1 when
// a request has blocked, and 500 when it has not.
func TestAgentWithoutAView(t *testing.T) {
	var lost atomic.Bool
	parked, woken := make(chan struct{}, 1), make(chan struct{})
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		blocking := r.URL.Query().Has("index")
		switch {
		case blocking && !lost.Load():
			discovery.Signal(parked)
			select {
			case <-woken:
			case <-r.Context().Done():
			}
			w.Header().Set("X-Consul-Index", "1")
			http.NotFound(w, r)
		case lost.Load():
			http.Error(w, "No known Consul servers", http.StatusInternalServerError)
		default:
			say(w, "7", `[{"Key":"x","Value":"b25l","ModifyIndex":5}]`)
		}
	})
	s := kvSource(t, c, testKey)
	out := follow(t, s)
	want(t, out, "one")
	<-parked
	lost.Store(true)
	close(woken)
	if st := waitStatus(t, s, "server"); st.Confirmations == 0 {
		t.Error("nothing was confirmed")
	}
	lost.Store(false)
	waitStatus(t, s, "")
	select {
	case d := <-out:
		t.Errorf("document %q, want none", body(d))
	default:
	}
}

// BenchmarkKeyToDelivery is the time from a write to the document.
func BenchmarkKeyToDelivery(b *testing.B) {
	consul := testserver.Consul(b)
	consul.KVPut(testKey, "start")
	c, err := New(Options{Address: consul.Addr()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.Source(testKey)
	if err != nil {
		b.Fatal(err)
	}
	out := make(chan discovery.Document)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(b.Context(), out)
	}()
	b.Cleanup(func() { <-done })
	<-out
	n := 0
	tick := time.NewTicker(documentEvery) // what the loop's bucket allows for ever
	defer tick.Stop()
	for b.Loop() {
		b.StopTimer()
		<-tick.C
		b.StartTimer()
		n++
		consul.KVPut(testKey, fmt.Sprint(n))
		<-out
	}
}
