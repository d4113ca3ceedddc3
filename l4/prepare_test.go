package l4_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// two is a document with clusters one and two, and listeners as given.
func two(one, two string, listeners ...string) string {
	return fmt.Sprintf("listeners: [%s]\nclusters: [{name: one, endpoints: ['%s']}, {name: two, endpoints: ['%s']}]\n",
		strings.Join(listeners, ", "), one, two)
}

func listener(name, addr, cluster string) string {
	return fmt.Sprintf("{name: %s, address: '%s', protocol: tcp, cluster: %s}", name, addr, cluster)
}

// Listeners go, come and change; connections stay as they are.
func TestRevisions(t *testing.T) {
	testserver.Goroutines(t)
	one, other := backend(t, banner("one")), backend(t, banner("two"))
	first, second := testserver.Addr(t), testserver.Addr(t)
	g := start(t, two(one, other, listener("a", first, "one")))
	old := dial(t, first)
	expect(t, old, "one")

	g.apply(two(one, other, listener("a", first, "two"), listener("b", second, "one")))
	expect(t, dial(t, first), "two")
	expect(t, dial(t, second), "one")
	send(t, old, "still there")
	expect(t, old, "still there")

	g.apply(two(one, other, listener("c", second, "two")))
	testserver.WaitFor(t, patience, "the removed listener to be closed", func() bool {
		return refused(first)
	})
	expect(t, dial(t, second), "two")
	send(t, old, "still there")
	expect(t, old, "still there")
	if _, _, ok := g.Server.Listener("a"); ok {
		t.Error("listener a is still told of")
	}

	g.apply(two(one, other, listener("a", first, "two")))
	expect(t, dial(t, first), "two")
	send(t, old, "still there")
	expect(t, old, "still there")
	old.CloseWrite()
	expectEnd(t, old)
}

// A listener moves from loopback to every address of its port and back, each in one revision.
func TestListenerMoves(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("here an address cannot be bound beside one that overlaps")
	}
	one := backend(t, banner("one"))
	narrow := testserver.Addr(t)
	_, port, _ := strings.Cut(narrow, ":")
	g := start(t, two(one, one, listener("a", narrow, "one")))
	for _, addr := range []string{":" + port, narrow} {
		g.apply(two(one, one, listener("a", addr, "one")))
		expect(t, dial(t, narrow), "one")
	}
	_, _, err := g.prepare(two(one, one, listener("a", narrow, "one"), listener("b", ":"+port, "one")))
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside one that stays: %v", err)
	}
}

// refused tells whether nobody listens.
func refused(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// A revision that cannot be applied changes nothing and leaves nothing open.
func TestPrepareFails(t *testing.T) {
	one := backend(t, banner("one"))
	taken := testserver.Listen(t).Addr().String()
	first, second := testserver.Addr(t), testserver.Addr(t)
	g := start(t, two(one, one, listener("a", first, "one")))
	_, _, err := g.prepare(two(one, one, listener("b", second, "two"), listener("c", taken, "two")))
	if err == nil || !strings.Contains(err.Error(), `listener "c"`) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("prepare: %v", err)
	}
	if !refused(second) {
		t.Error("what was never applied can be connected to")
	}
	expect(t, dial(t, first), "one")
}

// An address that moves between the planes is never unbound, and connections that wait to be accepted are not lost.
func TestShare(t *testing.T) {
	one := backend(t, banner("one"))
	addr := testserver.Addr(t)
	g := start(t, two(one, one, listener("a", addr, "one")))
	other := start(t, two(one, one), func(o *l4.Options) {
		o.Inherit = g.Server.Share
	})
	other.apply(two(one, one, listener("b", addr, "one")))
	g.apply(two(one, one))
	expect(t, dial(t, addr), "one")
	if g.open("a") != 0 || other.open("b") != 1 {
		t.Errorf("the connection went to the old plane")
	}
	if g.Server.Share("127.0.0.1:1") != nil {
		t.Error("shares what it does not have")
	}
}

func TestDrain(t *testing.T) {
	testserver.Goroutines(t)
	addr, conns := hand(t)
	g := start(t, to([]string{addr}, ""))
	stays, ends := g.dial("in"), g.dial("in")
	for range 2 {
		next(t, conns)
	}
	ends.Close()
	testserver.WaitFor(t, patience, "one connection to half end", func() bool { return g.open("in") == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if cut := g.Server.Drain(ctx); cut != 2 { // the one that ended is half open until its server ends too
		t.Errorf("cut %d", cut)
	}
	var b [1]byte
	if _, err := stays.Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v, want a reset", err)
	}
	g.wantFlag(telemetry.LR)
	if used := g.Limit.Used(); used != 0 {
		t.Errorf("%d places of the limit are taken", used)
	}
}

// A drain waits for connections that end by themselves.
func TestDrainWaits(t *testing.T) {
	g := start(t, to([]string{backend(t, banner("hi"))}, ""))
	c := g.dial("in")
	expect(t, c, "hi")
	addr := g.addr("in")
	done := make(chan int)
	go func() { done <- g.Drain(patience) }()
	testserver.WaitFor(t, patience, "the listener to be closed", func() bool {
		return refused(addr)
	})
	send(t, c, "more")
	expect(t, c, "more")
	c.CloseWrite()
	expectEnd(t, c)
	if cut := <-done; cut != 0 {
		t.Errorf("cut %d", cut)
	}
}
