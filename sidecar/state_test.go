package sidecar

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/statedir"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

func TestTrialAfterAnEnd(t *testing.T) {
	for _, row := range []struct {
		name        string
		found       trial
		kept        string
		ends        int
		quarantined string
	}{
		{"nothing was tried", trial{}, "old", 0, ""},
		{"another can serve", trial{Hash: "new"}, "old", 1, "new"},
		{"nothing else can serve", trial{Hash: "new"}, "", 1, ""},
		{"the kept one itself", trial{Hash: "old"}, "old", 1, ""},
		{"for the second time", trial{Hash: "old", Ends: 1}, "old", 2, ""},
		{"for the third time", trial{Hash: "old", Ends: 2}, "old", 3, "old"},
		{"nothing else, for the third time", trial{Hash: "new", Ends: 2}, "", 3, "new"},
		{"one is quarantined already", trial{Quarantined: "bad"}, "old", 0, "bad"},
		{"one is quarantined, the kept one ended it", trial{Hash: "old", Quarantined: "bad"}, "old", 1, "bad"},
	} {
		got := row.found.afterEnd(row.kept)
		if got.Ends != row.ends || got.Quarantined != row.quarantined {
			t.Errorf("%s: %+v, want %d ends and %q quarantined", row.name, got, row.ends, row.quarantined)
		}
		if got.Hash == got.Quarantined && got.Hash != "" {
			t.Errorf("%s: %+v, want what is quarantined not to be tried any more", row.name, got)
		}
	}
}

// A document that cannot be applied yet, and is tried again, is blamed for the ends that it brought about, and for no
// other. Trying it again forgives nothing, and waiting counts nothing.
func TestTrialOfAPendingDocument(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var now trials
	restart := func() { // the process ends here, and another one starts
		now = trials{}
		now.open(dir, hclog.NewNullLogger(), "")
	}
	fails := func(times int) { // to come into service
		for range times {
			now.begin("doc", time.Time{})
			now.suspend()
		}
	}
	restart()
	for range lastStarts - 1 {
		fails(3)
		restart() // while it waits
		fails(3)
		now.begin("doc", time.Time{})
		restart() // in its trial
	}
	if why := now.quarantined("doc"); why != "" {
		t.Fatalf("%s after %d ends", why, lastStarts-1)
	}
	fails(3)
	now.begin("kept", time.Time{}) // the last good one is tried again too
	now.end()
	fails(3)
	restart()
	now.begin("doc", time.Time{})
	restart()
	if now.quarantined("doc") == "" {
		t.Errorf("not quarantined after %d ends: %+v", lastStarts, now.now)
	}

	now.lift()
	fails(3)
	now.begin("doc", time.Time{})
	now.end() // it has served
	if now.now != (trial{}) {
		t.Errorf("%+v is left of one that served", now.now)
	}
}

// Which revision a kept document is, is taken from who kept it only if that was the same program.
func TestKeptRevision(t *testing.T) {
	const text = "routes: [{name: shop, respond: {status: 200}}]\n"
	read, err := config.Decode([]byte(text), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	d := discovery.NewDocument("consul", "key", []config.Part{{Data: []byte(text)}})
	for _, row := range []struct{ namedBy, want string }{
		{Built().Version, "kept"}, {"another version", read.Revision}, {"", read.Revision},
	} {
		k := keepDocument(d, "kept", time.Now())
		k.NamedBy = row.namedBy
		doc, err := k.decode(k.document().Parts, config.Standard(), nil)
		if err != nil || doc.Revision != row.want || len(doc.Routes) != 1 {
			t.Errorf("named by %q: %+v, %v, want revision %s", row.namedBy, doc, err, row.want)
		}
	}
	k := keepDocument(discovery.Document{Parts: []config.Part{{Data: []byte("routes: nothing\n")}}}, "kept", time.Now())
	if _, err := k.decode(k.document().Parts, config.Standard(), nil); err == nil {
		t.Error("no error for a document that is not valid")
	}
}

// A document that a person insists on, by a clock that is ahead, ends the process. It is not tried at every start
// until that time has come. Only when it is pushed with --force once more, by whatever clock.
func TestTrialOfAForcedDocument(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	soon := time.Now().Add(time.Hour)
	var now trials
	restart := func() {
		now = trials{}
		now.open(dir, hclog.NewNullLogger(), "kept")
	}
	now.open(dir, hclog.NewNullLogger(), "kept")
	now.begin("doc", soon)
	restart()
	now.begin("kept", soon.Add(time.Hour)) // the last good one serves, which was forced in its time
	now.end()
	restart()
	if now.quarantined("doc") == "" || now.forced(soon) || now.forced(time.Time{}) {
		t.Errorf("tried again: %+v", now.now)
	}
	for _, at := range []time.Time{soon.Add(-2 * time.Hour), soon.Add(time.Millisecond)} {
		if !now.forced(at) {
			t.Errorf("not tried again although it was forced at %v: %+v", at, now.now)
		}
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	now := time.Now()
	if b.due(now) {
		t.Error("the zero value is due")
	}
	for _, want := range []int{1, 2, 4, 8, 16, 30, 30} {
		b.failed(now)
		at := now.Add(time.Duration(want) * time.Second)
		if b.due(at.Add(-1)) || !b.due(at) {
			t.Errorf("due at %v after %v, want after %ds", b.at, now, want)
		}
		now = at
	}
}

// Every field of an instance is kept.
func TestKeptInstances(t *testing.T) {
	in := cluster.Instance{
		Address: "10.0.0.1:80", Weight: 3, State: cluster.Warning, ID: "web-1", Node: "n", Zone: "z",
		Tags: []string{"v1"},
	}
	v := reflect.ValueOf(in)
	for i := range v.NumField() {
		switch v.Type().Field(i).Name {
		case "Ports": // an instance that is used has none: its port was chosen
			continue
		case "Check", "Output": // of that moment; what a check says may be a secret
			continue
		}
		if v.Field(i).IsZero() {
			t.Fatalf("field %s has no value here", v.Type().Field(i).Name)
		}
	}
	text, err := json.Marshal(keptEndpoints{Instances: keepInstances([]cluster.Instance{in})})
	if err != nil {
		t.Fatal(err)
	}
	var kept keptEndpoints
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	if got := kept.instances(); len(got) != 1 || !got[0].Same(in) {
		t.Errorf("kept %+v, want %+v", got, in)
	}
	for _, strange := range []keptInstance{
		{Address: "no port", State: "passing"}, {Address: "10.0.0.1:80", State: "deregistered"},
	} {
		kept.Instances = []keptInstance{strange}
		if got := kept.instances(); got != nil {
			t.Errorf("%+v: %+v, want it left out", strange, got)
		}
	}
}

// The catalog may have answered before the state is taken up. That it has none takes no endpoint away at once, whenever
// it has said so.
func TestCatalogIsQuickerThanTheState(t *testing.T) {
	server := testserver.Consul(t)
	server.Register(testserver.Service{Name: "there", Port: 8001})
	t.Setenv("CONSUL_HTTP_ADDR", server.Addr())
	for service, want := range map[string]string{
		"gone":  "127.0.0.1:8000 deregistered, held true",
		"there": "127.0.0.1:8001 passing, held false",
	} {
		for name, until := range map[string]time.Time{"": {}, ", held already": time.Now().Add(time.Hour)} {
			t.Run(service+name, func(t *testing.T) {
				a := newApplier(t)
				over := make(chan struct{})
				ctx, end := context.WithCancel(t.Context())
				go func() { defer close(over); a.catalog.Run(ctx) }()
				defer func() { end(); <-over }()
				q := consul.Query{Service: service}
				a.catalog.Watch([]consul.Query{q})
				if without := a.catalog.Wait(ctx); len(without) > 0 {
					t.Fatal("no answer for", without)
				}
				dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
				if err != nil {
					t.Fatal(err)
				}
				defer dir.Close()
				a.state = &state{dir: dir, found: &lastGood{}, known: map[consul.Query]keptEndpoints{q: {
					Query: q, HeldUntil: until,
					Instances: []keptInstance{{Address: "127.0.0.1:8000", Weight: 1, State: "passing"}},
				}}}
				doc := document(t, "clusters:\n- {name: c, consul: {service: "+service+", empty_hold: 1h}}\n")
				if err := a.apply(ctx, doc, discovery.Document{Source: sourceState}, nil); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range a.set.Status()[0].Endpoints {
					got = append(got, fmt.Sprintf("%s %s, held %v", e.Address, e.Consul.State, e.Consul.Held != nil))
					if h := e.Consul.Held; h != nil && !until.IsZero() && h.Sub(until).Abs() > time.Second {
						t.Errorf("held until %v, want %v", h, until)
					}
				}
				if len(got) != 1 || got[0] != want {
					t.Errorf("endpoints %q, want %q", got, want)
				}
			})
		}
	}
}
