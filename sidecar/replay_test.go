package sidecar

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// asks has what serves decide so many requests for a path, each a second after the one before.
func (a tried) asks(path string, from, n int) {
	a.t.Helper()
	h, limits := new(message.Head), http1.DefaultLimits()
	if err := http1.ParseRequest([]byte("GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"), h, &limits); err != nil {
		a.t.Fatal(err)
	}
	c := &route.Client{IP: "10.1.1.1", Listener: &route.Listener{Address: ":80", Name: "default"}}
	for i := range n {
		var d route.Decision
		_ = a.active.table.Decide(&d, h, c, int64(from+i+1)*int64(time.Second), new(route.Workspace))
	}
}

// A document that loses too many requests is refused for good, unless a person wants it.
func TestReplayRefuses(t *testing.T) {
	const shopOnly = "routes: [{name: shop, match: {path_prefix: /shop}, cluster: c}%]\n" +
		"clusters: [{name: c, endpoints: [\"127.0.0.1:1\"]}]\n"
	both := strings.Replace(shopOnly, "%", ", {name: basket, match: {path_prefix: /basket}, cluster: c}", 1)
	without := strings.Replace(shopOnly, "%", "", 1)
	a := newTried(t)
	a.gets(both)
	a.asks("/shop", 0, 98)
	a.asks("/basket", 98, 2)
	a.gets(without + "apply: {max_lost: 1%}\n")
	a.serves(both)
	const want = "of 100 recent requests 0 change cluster, 2 lose their route (apply.max_lost is 1%)"
	if st := a.told(); st.LastRejected == nil || st.LastRejected.Reasons[0] != want ||
		!st.LastRejected.RetryAt.IsZero() {
		t.Errorf("rejected %+v, want %q", st.LastRejected, want)
	}
	if a.pending != nil || a.registry.RevisionRejected("replay").Load() != 1 {
		t.Error("it is to be tried again, or not counted")
	}
	a.gets(without + "apply: {max_lost: 2%}\n")
	a.serves(without + "apply: {max_lost: 2%}\n")
	if r := a.told().Replay; r == nil || *r != (route.Replayed{Requests: 100, Lost: 2}) {
		t.Errorf("told %+v", r)
	}
	a.gets(both)
	a.gets(without+"apply: {max_lost: 0%}\n", time.Now())
	a.serves(without + "apply: {max_lost: 0%}\n")
}

// What served before is put back, whatever it loses.
func TestReplayDoesNotHinderARollback(t *testing.T) {
	strict := shop(1, "") + "apply: {max_lost: 0%}\n"
	strict = strings.Replace(strict, "cluster", "match: {path_prefix: /shop}, cluster", 1)
	more := strings.Replace(shop(2, alsoBasket), "cluster", "match: {path_prefix: /shop}, cluster", 1)
	a := newTried(t)
	a.gets(strict)
	a.answers("shop", 500, telemetry.NoFlag)
	a.gets(more)
	a.asks("/basket", 0, 10)
	a.passes(0, 5*time.Second, "shop", telemetry.UF)
	a.serves(strict)
}
