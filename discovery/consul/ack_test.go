package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// speaker is all that a token needs to say verdicts.
const speaker = `key_prefix "gateway/web/ack/" { policy = "write" }
session_prefix "" { policy = "write" }`

// newAck is that of an instance, which does not spread what it writes.
func newAck(c *Client, instance string) *Ack {
	a := c.Ack(testKey, "web", instance)
	a.spread = time.Millisecond
	return a
}

// speak runs a until leave is called, or the test ends.
func speak(t *testing.T, a *Ack) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	leave = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(leave)
	return leave
}

// speaking is an instance with a token of its own.
func speaking(t *testing.T, consul *testserver.ConsulServer, instance string) (a *Ack, leave func()) {
	t.Helper()
	token := consul.NewToken(speaker).Secret
	a = newAck(newConsul(t, consul.Addr(), func(o *Options) { o.Token = token }), instance)
	return a, speak(t, a)
}

// hears waits for a verdict to be written, or with an empty state to go away.
func hears(
	t *testing.T, consul *testserver.ConsulServer, instance string, state discovery.RevisionState,
) (h testserver.KVEntry) {
	t.Helper()
	testserver.WaitFor(t, patience, instance+" to be "+string(state), func() bool {
		there := false
		h, there = consul.KVEntry("gateway/web/ack/" + instance)
		return there == (state != "") && (!there || bytes.Contains(h.Value, []byte(`"state":"`+string(state)+`"`)))
	})
	return h
}

// verdictsAreSaid writes on change only, and what is written goes away with its session.
func verdictsAreSaid(t *testing.T, consul *testserver.ConsulServer) {
	a, leave := speaking(t, consul, "one")
	v := Verdict{Rev: "r", State: discovery.RevisionApplied, Since: time.Now()}
	a.Say(v)
	first := hears(t, consul, "one", discovery.RevisionApplied)
	var sessions []struct{ TTL, Behavior, Name string }
	info := consul.Call(http.MethodGet, "/v1/session/info/"+first.Session, nil)
	if err := json.Unmarshal(info, &sessions); err != nil || len(sessions) != 1 || sessions[0].TTL != "1m0s" ||
		sessions[0].Behavior != "delete" || sessions[0].Name != "gateway of web: one" {
		t.Errorf("session %s", info)
	}
	testserver.WaitFor(t, patience, "the answer to the write", func() bool { return !a.Status().WrittenAt.IsZero() })
	if st := a.Status(); st.Error != "" || st.Key != "gateway/web/ack/one" || st.Rev != "r" {
		t.Errorf("status %+v", st)
	}
	a.Say(v)
	a.tryAgain()
	v.State = discovery.RevisionHeld
	a.Say(v)
	second := hears(t, consul, "one", discovery.RevisionHeld)
	if second.Session != first.Session {
		t.Error("another session, though the first one lives")
	}
	consul.KVDelete("gateway/web/ack/one")
	a.tryAgain() // as it does every two minutes
	if h := hears(t, consul, "one", discovery.RevisionHeld); h.Session != first.Session {
		t.Error("another session, though the first one lives, after somebody deleted the key")
	}

	consul.Call(http.MethodPut, "/v1/session/destroy/"+first.Session, nil)
	hears(t, consul, "one", "")
	a.tryAgain() // as it does when its time has come
	third := hears(t, consul, "one", discovery.RevisionHeld)
	consul.Call(http.MethodPut, "/v1/session/destroy/"+third.Session, nil)
	hears(t, consul, "one", "")
	v.State = discovery.RevisionApplied
	a.Say(v) // the write finds out that the session is gone
	last := hears(t, consul, "one", discovery.RevisionApplied)
	leave()
	if _, there := consul.KV("gateway/web/ack/one"); there {
		t.Error("the verdict is there after the end")
	}
	if info := consul.Call(http.MethodGet, "/v1/session/info/"+last.Session, nil); string(info) != "[]" {
		t.Errorf("the session is there after the end: %s", info)
	}
}

// A gateway in the place of one that was killed has the same key, whose session lives on for a while.
func theSuccessorSpeaks(t *testing.T, consul *testserver.ConsulServer) {
	_, leave := func() (*Ack, func()) {
		a, leave := speaking(t, consul, "one")
		a.Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
		return a, leave
	}()
	first := hears(t, consul, "one", discovery.RevisionApplied)
	next, _ := speaking(t, consul, "one")
	next.Say(Verdict{Rev: "r", State: discovery.RevisionRejected})
	if h := hears(t, consul, "one", discovery.RevisionRejected); h.Session == first.Session {
		t.Error("the session of the one before holds what its successor says")
	}
	leave()
	if h := hears(t, consul, "one", discovery.RevisionRejected); h.Value == nil {
		t.Error("what the successor says went with the one before")
	}
}

// Two gateways of one name are told of once each, for neither can be read.
func twoOfOneName(t *testing.T, consul *testserver.ConsulServer) {
	const warning = "another gateway says what becomes of documents in our place"
	var logs [2]*testserver.Log
	var acks [2]*Ack
	for i := range acks {
		c := newConsul(t, consul.Addr(), func(o *Options) { o.Token, logs[i] = consul.Token(), notes(o) })
		acks[i] = newAck(c, "twin")
		acks[i].Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
	}
	for range 3 {
		for _, a := range acks {
			a.checkedAt = time.Time{} // as when its time has come
			a.turn(t.Context())
		}
	}
	for i, log := range logs {
		if n := strings.Count(log.String(), warning); n != 1 {
			t.Errorf("gateway %d: told %d times: %s", i, n, log.String())
		}
		acks[i].leave(t.Context())
	}
}

// A gateway that was killed is silent at last: nobody renews its session.
func theKilledAreForgotten(t *testing.T, consul *testserver.ConsulServer) {
	a := newAck(newConsul(t, consul.Addr(), func(o *Options) { o.Token = consul.Token() }), "one")
	a.ttl = time.Second
	a.Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
	a.turn(t.Context()) // and never again
	if h := hears(t, consul, "one", discovery.RevisionApplied); h.Session == "" {
		t.Fatal("no session")
	}
	hears(t, consul, "one", "")
}

// notes is what was logged at the level info or above.
func notes(o *Options) *testserver.Log {
	b := new(testserver.Log)
	o.Log = hclog.New(&hclog.LoggerOptions{Output: b, Level: hclog.Info, TimeFormat: "-"})
	return b
}

// Without a right nothing is written, it is said once which one, and it is tried again when there is a reason to.
func verdictsNeedRights(t *testing.T, consul *testserver.ConsulServer) {
	for _, row := range []struct{ name, rules, needs string }{
		{"session", `key_prefix "gateway/web/ack/" { policy = "write" }`, `session_prefix "" { policy = "write" }`},
		{"key", `session_prefix "" { policy = "write" }`, `key_prefix "gateway/web/ack/" { policy = "write" }`},
	} {
		token := consul.NewToken(row.rules)
		var log *testserver.Log
		c := newConsul(t, consul.Addr(), func(o *Options) { o.Token, log = token.Secret, notes(o) })
		a := newAck(c, row.name)
		leave := speak(t, a)
		v := Verdict{Rev: "r", State: discovery.RevisionApplied}
		fails := func(rev string) {
			t.Helper()
			v.Rev = rev
			a.Say(v)
			a.tryAgain()
			testserver.WaitFor(t, patience, "the missing right to "+row.name, func() bool {
				st := a.Status()
				return st.Needs == row.needs && strings.HasPrefix(st.Error, "status 403: Permission denied")
			})
		}
		fails("r")
		fails("s")
		fails("t")
		testserver.WaitFor(t, patience, "no session, which would hold nothing", func() bool {
			all := consul.Call(http.MethodGet, "/v1/session/list", nil)
			return !strings.Contains(string(all), ": "+row.name)
		})
		leave()
		if n := strings.Count(log.String(), "verdicts are not written, the token lacks a right"); n != 1 ||
			strings.Contains(log.String(), token.Secret) || strings.Contains(log.String(), "[WARN]") {
			t.Errorf("%s: logged\n%s", row.name, log)
		}
		if age, ok := c.Age(); ok {
			t.Errorf("Consul was heard %v ago, by a watch that there is not", age)
		}

		speak(t, a)
		consul.SetRules(token, speaker)
		testserver.WaitFor(t, patience, "the right to be there", func() bool {
			a.tryAgain()
			_, there := consul.KV(a.key)
			return there
		})
		testserver.WaitFor(t, patience, "no error", func() bool { return a.Status().Error == "" })
	}
}

// While it pauses after an error, nothing that is to be said makes a request. Its session is renewed, and made again
// where it is gone.
func TestAckPacesItself(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	var status atomic.Int32
	status.Store(http.StatusTooManyRequests)
	session := 0
	var written []byte
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		what := strings.Split(r.URL.Path, "/")[3]
		if r.Method == http.MethodGet {
			what = "look"
		}
		asked = append(asked, what)
		if code := int(status.Load()); code != http.StatusOK {
			http.Error(w, "not now", code)
			return
		}
		switch what {
		case "create":
			session++
			fmt.Fprintf(w, `{"ID":"s%d"}`, session)
		case "renew":
			if session == 1 {
				http.Error(w, "not found", http.StatusNotFound)
			}
		case "look":
			pair, _ := json.Marshal([]testserver.KVEntry{{Session: fmt.Sprint("s", session), Value: written}})
			say(w, "5", string(pair))
		default:
			written, _ = io.ReadAll(r.Body)
			fmt.Fprint(w, "true")
		}
	})
	requests := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
	a := newAck(c, "one")
	speak(t, a)
	for n := range 3 {
		if n > 0 {
			a.tryAgain()
		}
		for i := range 20 {
			a.Say(Verdict{Rev: fmt.Sprint(n, i), State: discovery.RevisionApplied})
		}
		testserver.WaitFor(t, patience, "another request", func() bool { return len(requests()) == n+1 })
	}
	if got := a.Status().Error; got != "status 429: not now" {
		t.Errorf("error %q", got)
	}
	if got := c.monitor.failing(); got {
		t.Error("the watches are told of it")
	}
	status.Store(http.StatusOK)
	a.tryAgain()
	testserver.WaitFor(t, patience, "the verdict", func() bool { return !a.Status().WrittenAt.IsZero() })
	a.tryAgain()
	want := []string{"create", "create", "create", "create", "gateway", "renew", "create", "gateway"}
	testserver.WaitFor(t, patience, "a session in the place of the one that is gone",
		func() bool { return slices.Equal(requests(), want) })
	a.tryAgain()
	testserver.WaitFor(t, patience, "the session to be renewed",
		func() bool { return slices.Equal(requests(), append(want, "renew", "look")) })
}

// A gateway that Consul has no time for writes less and less often, from the first 429 on. Others write too.
func TestAckAfterLimits(t *testing.T) {
	c := fakeConsul(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not now", http.StatusTooManyRequests)
	})
	a := newAck(c, "one")
	a.Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
	if a.Status().Reasons == nil {
		t.Error("without reasons the status has no list of them")
	}
	for _, most := range []time.Duration{2, 4, 8, 15, 15} {
		most *= time.Second
		if got := a.turn(t.Context()); got < most/2 || got > most {
			t.Errorf("writes again after %v, want %v to %v", got, most/2, most)
		}
	}
}

// A nil one says nothing.
func TestNoAck(t *testing.T) {
	var a *Ack
	a.Say(Verdict{})
	a.tryAgain()
	a.Run(t.Context())
	if a.Status() != nil {
		t.Error("it has a status")
	}
}
