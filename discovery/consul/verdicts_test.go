package consul

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// reader is who reads verdicts with these rules.
func reader(t *testing.T, consul *testserver.ConsulServer, rules string) *Verdicts {
	t.Helper()
	token := consul.NewToken(rules).Secret
	v, err := newConsul(t, consul.Addr(), func(o *Options) { o.Token = token }).Verdicts(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func spoken(all []Said) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s %s %s %s; ", s.Instance, s.Rev, s.State, strings.Join(s.Reasons, ", "))
	}
	return b.String()
}

// verdictsAreRead reads what gateways hold, and nothing else that lies there.
func verdictsAreRead(t *testing.T, consul *testserver.ConsulServer) {
	v := reader(t, consul, `key_prefix "gateway/web/" { policy = "read" }`)
	told := make(chan string, 16)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Follow(ctx, func(all []Said) { told <- spoken(all) }) }()
	want := func(what string) {
		t.Helper()
		var last string
		testserver.WaitFor(t, patience, "the verdicts "+what, func() bool {
			select {
			case last = <-told:
			default:
			}
			return last == what
		})
		all, err := v.All(t.Context())
		if got := spoken(all); err != nil || got != what {
			t.Errorf("%q, %v; want %q", got, err, what)
		}
	}
	want("")
	b, _ := speaking(t, consul, "b")
	b.Say(Verdict{Rev: "r", State: discovery.RevisionRejected, Reasons: []string{"port", "taken"}})
	want("b r rejected port, taken; ")
	a, leave := speaking(t, consul, "..")
	a.Say(Verdict{State: discovery.RevisionWaiting})
	want("..  waiting ; b r rejected port, taken; ")

	session := hears(t, consul, "b", discovery.RevisionRejected).Session
	consul.KVPut("gateway/web/ack/nobody", `{"rev":"r","state":"applied"}`)
	for key, text := range map[string]string{
		"no-json": "x", "no-state": `{"rev":"r"}`, "deeper/x": `{"state":"applied"}`,
		"large": `{"state":"applied","rev":"` + strings.Repeat("r", maxVerdictBytes) + `"}`,
	} {
		consul.Call(http.MethodPut, "/v1/kv/gateway/web/ack/"+key+"?acquire="+session, []byte(text))
	}
	b.Say(Verdict{Rev: "r", State: discovery.RevisionApplied})
	want("..  waiting ; b r applied ; ")
	leave()
	want("b r applied ; ")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func verdictsNeedARight(t *testing.T, consul *testserver.ConsulServer) {
	consul.KVPut("gateway/web/ack/some", "") // where there is nothing, Consul does not say that it kept something back
	v := reader(t, consul, `key "gateway/web/config" { policy = "write" }`)
	const want = `list key gateway/web/ack/: the token needs key_prefix "gateway/web/ack/" { policy = "read" }: `
	_, err := v.All(t.Context())
	says(t, err, want)
	err = v.Follow(t.Context(), func(all []Said) { t.Errorf("heard %q", spoken(all)) })
	says(t, err, want)
}

func TestVerdictsWithoutConsul(t *testing.T) {
	addr := testserver.Addr(t)
	v, err := newConsul(t, addr).Verdicts("gateway/web/")
	if err != nil {
		t.Fatal(err)
	}
	const why = "no response from Consul at "
	_, err = v.All(t.Context())
	says(t, err, why+addr)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v.consul.options.CountError = func(telemetry.DiscoveryClass) { cancel() } // the first one will do
	says(t, v.Follow(ctx, func([]Said) { t.Error("something was heard") }), why+addr)
}
