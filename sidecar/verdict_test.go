package sidecar

import (
	"reflect"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// What a gateway says follows from what serves, and from what does not come into service.
func TestVerdict(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 29, 12, minute, 0, 0, time.UTC) }
	type step func(*serving)
	applied := func(n *serving) {
		n.applied(&config.Document{Revision: "a"}, "consul", at(1))
		n.name = "pushed-a"
	}
	byHand := func(n *serving) { n.name = "" }
	rejected := func(d discovery.Document, class string) step {
		return func(n *serving) { n.rejected(newRejection(d, class, at(2), []string{"wrong"})) }
	}
	held := func(state discovery.RevisionState) step {
		return func(n *serving) {
			n.status.Held = &Held{ID: "b", State: state, Since: at(3), Reasons: []string{"why"}, name: "pushed-b"}
		}
	}
	replayed := func(r route.Replayed) step { return func(n *serving) { n.status.Replay = &r } }
	const long = "0123456789abcdef"
	for _, row := range []struct {
		name  string
		steps []step
		want  consul.Verdict
	}{
		{"nothing yet", nil, consul.Verdict{}},
		{"the first one rejected", []step{rejected(discovery.Document{Hash: long}, "invalid")},
			consul.Verdict{Rev: "0123456789ab", State: "rejected", Since: at(2), Reasons: []string{"wrong"}}},
		{"the bootstrap alone", []step{applied, func(n *serving) { n.fellBack("there is none", nil) }},
			consul.Verdict{State: "waiting", Since: at(1), Reasons: []string{"there is none"}}},
		{"applied", []step{applied}, consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1)}},
		{"moves requests", []step{applied, replayed(route.Replayed{Requests: 1000, Moved: 12, Lost: 3})},
			consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1),
				Reasons: []string{"of 1,000 recent requests 12 change cluster, 3 lose their route"}}},
		{"moves none", []step{applied, replayed(route.Replayed{Requests: 1000})},
			consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1)}},
		{"put by hand", []step{applied, byHand}, consul.Verdict{Rev: "a", State: "applied", Since: at(1)}},
		{"without a word of the catalog", []step{applied, func(n *serving) { n.waitsFor = []string{"c waits"} }},
			consul.Verdict{Rev: "pushed-a", State: "waiting", Since: at(1), Reasons: []string{"c waits"}}},
		{"from the state directory", []step{applied, func(n *serving) { n.restored(at(0), nil) }},
			consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1),
				Reasons: []string{"serves from the state directory, as it was at 2026-11-29T12:00:00Z"}}},
		{"gone", []step{applied, func(n *serving) { n.missing("it is gone") }},
			consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1)}},
		{"rejected", []step{applied, rejected(discovery.Document{Name: "pushed-b", Hash: long}, "prepare")},
			consul.Verdict{Rev: "pushed-b", State: "rejected", Since: at(2), Reasons: []string{"wrong"}}},
		{"no document", []step{applied, rejected(discovery.NewRefused("consul", errNoRevision), "source")},
			consul.Verdict{State: "rejected", Since: at(2), Reasons: []string{"wrong"}}},
		{"quarantined", []step{applied, rejected(discovery.Document{Name: "pushed-b", Hash: long}, "quarantined")},
			consul.Verdict{Rev: "pushed-b", State: "quarantined", Since: at(2), Reasons: []string{"wrong"}}},
		{"rolled back", []step{applied, func(n *serving) {
			r := &RolledBack{ID: "b", At: at(4), Reasons: []string{"harm"}, name: "pushed-b"}
			n.rolledBack(r, phaseCurrent, false, nil)
		}}, consul.Verdict{Rev: "pushed-b", State: "rolled_back", Since: at(4), Reasons: []string{"harm"}}},
		{"rolled back, and another one applied", []step{func(n *serving) {
			n.rolledBack(&RolledBack{ID: "b", At: at(4)}, phaseCurrent, false, nil)
		}, applied}, consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1)}},
		{"held", []step{applied, held(discovery.RevisionHeld)},
			consul.Verdict{Rev: "pushed-b", State: "held", Since: at(3), Reasons: []string{"why"}}},
		{"waiting", []step{applied, held(discovery.RevisionWaiting)},
			consul.Verdict{Rev: "pushed-b", State: "waiting", Since: at(3), Reasons: []string{"why"}}},
		{"the one before once more", []step{applied, rejected(discovery.Document{Hash: long}, "invalid"),
			func(n *serving) { n.confirmed("consul") }},
			consul.Verdict{Rev: "pushed-a", State: "applied", Since: at(1)}},
	} {
		var n serving
		for _, step := range row.steps {
			step(&n)
		}
		got, ok := n.verdict()
		if ok != (row.want.State != "") || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}
