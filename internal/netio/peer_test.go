package netio

import (
	"net"
	"testing"
)

// peerDeed is something that the peer of a connection does, and what can be seen of it from here without reading.
type peerDeed struct {
	name   string
	do     func(t *testing.T, peer net.Conn)
	hangup Hangup
	quiet  bool
}

func send(t *testing.T, peer net.Conn) {
	if _, err := peer.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
}

func endWriting(t *testing.T, peer net.Conn) {
	if err := peer.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

var peerDeeds = []peerDeed{
	{"nothing", func(*testing.T, net.Conn) {}, Open, true},
	{"data", send, Open, false},
	{"end", endWriting, HalfClosed, false},
	{"end behind unread data", func(t *testing.T, p net.Conn) { send(t, p); endWriting(t, p) }, HalfClosed, false},
	{"close", func(_ *testing.T, p net.Conn) { _ = p.Close() }, HalfClosed, false},
	{"reset", func(t *testing.T, p net.Conn) { _ = New(p, NewSweeper(), 0).Abort() }, Reset, false},
	{"reset behind unread data", func(t *testing.T, p net.Conn) { send(t, p); _ = New(p, NewSweeper(), 0).Abort() },
		Reset, false},
}

func TestHangupAndQuiet(t *testing.T) {
	for _, d := range peerDeeds {
		t.Run(d.name, func(t *testing.T) {
			ours, peer := dialled(t)
			c := New(ours, NewSweeper(), 0)
			defer c.Close()
			if h := c.Hangup(); h != Open || !c.Quiet() {
				t.Fatalf("at first: %v and quiet %v", h, c.Quiet())
			}
			d.do(t, peer)
			until(t, "the deed is seen", func() bool { return c.Hangup() == d.hangup && c.Quiet() == d.quiet })
			if h := c.Hangup(); h != d.hangup || c.Quiet() != d.quiet {
				t.Errorf("then: %v and quiet %v, want %v and %v", h, c.Quiet(), d.hangup, d.quiet)
			}
		})
	}
}

// What is drained can be closed without a reset: nothing has come that is unread, but perhaps the peer's end.
func TestDrained(t *testing.T) {
	// a reset that Quiet has been told of is an end
	want := map[string]bool{"nothing": true, "end": true, "close": true, "reset": true}
	for _, d := range peerDeeds {
		t.Run(d.name, func(t *testing.T) {
			ours, peer := dialled(t)
			c := New(ours, NewSweeper(), 0)
			defer c.Close()
			if !c.Drained() {
				t.Fatal("not drained at first")
			}
			d.do(t, peer)
			until(t, "the deed is seen", func() bool { return c.Hangup() == d.hangup && c.Quiet() == d.quiet })
			if got := c.Drained(); got != want[d.name] {
				t.Errorf("drained %v, want %v", got, want[d.name])
			}
		})
	}
	ours, _ := piped(t)
	if New(ours, NewSweeper(), 0).Drained() {
		t.Error("in memory, where it cannot be known: drained")
	}
}

// TestHangupConsumesNothing: what lay unread is still there.
func TestHangupConsumesNothing(t *testing.T) {
	ours, peer := dialled(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	send(t, peer)
	endWriting(t, peer)
	until(t, "the end is seen", func() bool { return c.Hangup() == HalfClosed && !c.Quiet() })
	(<-reading(c)).wantBytes(t, len("unread"))
}

// TestHangupUnderTLS: the socket underneath is asked. A TLS peer that closes says so inside TLS first, which is data
// here.
func TestHangupUnderTLS(t *testing.T) {
	ours, peer := encrypted(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	(<-reading2(c, peer)).wantBytes(t, 1) // session tickets are read before the first byte
	if h := c.Hangup(); h != Open || !c.Quiet() {
		t.Fatalf("at first: %v and quiet %v", h, c.Quiet())
	}
	_ = New(peer, NewSweeper(), 0).Abort()
	until(t, "the reset is seen", func() bool { return c.Hangup() == Reset && !c.Quiet() })
}

// reading2 reads once while the peer sends one byte.
func reading2(c *Conn, peer net.Conn) <-chan result {
	got := reading(c)
	go func() { _, _ = peer.Write([]byte("x")) }() // the read tells
	return got
}

func TestHangupClosed(t *testing.T) {
	ours, _ := dialled(t)
	c := New(ours, NewSweeper(), 0)
	_ = c.Close()
	if h := c.Hangup(); h != Reset || c.Quiet() {
		t.Errorf("closed: %v and quiet %v, want Reset and false", h, c.Quiet())
	}
}

// TestHangupInMemory: where it cannot be known, the connection is taken for open.
func TestHangupInMemory(t *testing.T) {
	ours, peer := piped(t)
	c := New(ours, NewSweeper(), 0)
	_ = peer.Close()
	if h := c.Hangup(); h != Open || !c.Quiet() {
		t.Errorf("in memory: %v and quiet %v, want Open and true", h, c.Quiet())
	}
}
