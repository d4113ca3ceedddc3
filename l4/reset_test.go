package l4

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// pair is a connection over real TCP.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln := testserver.Listen(t)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	deadline := time.Now().Add(10 * time.Second)
	_ = c.SetDeadline(deadline)
	_ = s.SetDeadline(deadline)
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// A reset is an error once: where a write has met it, the read sees a mere end, and must not take it for one.
func TestWasReset(t *testing.T) {
	ours, theirs := pair(t)
	p := &pump{rawSrc: raw(ours), other: new(pump)}
	_ = theirs.SetLinger(0) // closing it is a reset
	theirs.Close()
	testserver.WaitFor(t, 10*time.Second, "the reset to arrive", func() bool {
		_, err := ours.Write([]byte("x"))
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
	if n, err := ours.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Fatalf("read %d bytes", n)
	}
	if !p.wasReset() {
		t.Error("a reset is taken for an end")
	}
	dst, peer := pair(t)
	p.c, p.dst, p.onRead = &conn{cancel: func() {}, socket: ours, server: dst}, dst, telemetry.DC
	p.pass(telemetry.NoFlag)
	if flag, _ := p.c.ending(); flag != telemetry.DC || p.ended.Load() {
		t.Errorf("flag %v", flag)
	}
	_ = peer.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other side read %v", err)
	}

	ours, theirs = pair(t)
	p = &pump{rawSrc: raw(ours), other: new(pump)}
	_ = theirs.CloseWrite()
	if n, err := ours.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Fatalf("read %d bytes", n)
	}
	if p.wasReset() {
		t.Error("an end is taken for a reset")
	}
	p.other.ended.Store(true)
	_ = ours.CloseWrite()
	if p.wasReset() {
		t.Error("the end of both ways is taken for a reset")
	}
}

// Bulk goes by splice, what is small does not, and what was bulk once and is small now goes back.
func TestBulkChosen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no splice on this system")
	}
	from := netio.NewPipes(nil)
	t.Cleanup(from.Close)
	src, feed := pair(t)
	dst, sink := pair(t)
	c := &conn{s: &Server{pipes: from}}
	p := &c.there
	p.c, p.rawSrc, p.rawDst, p.other = c, raw(src), raw(dst), &c.back
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.pump()
	}()
	move := func(n int) {
		t.Helper()
		go func() { _, _ = feed.Write(make([]byte, n)) }()
		for got := 0; got < n; {
			m, err := sink.Read(make([]byte, 64<<10))
			if err != nil {
				t.Fatal(err)
			}
			got += m
		}
	}
	pipesMade := func() int { return from.Made() }
	for range 20 {
		move(1000)
	}
	if pipesMade() != 0 {
		t.Error("small messages took a pipe")
	}
	move(8 << 20)
	if pipesMade() != 1 {
		t.Errorf("bulk took %d pipes", pipesMade())
	}
	testserver.WaitFor(t, 10*time.Second, "the pipe to be given back", func() bool { return from.Spare() == 1 })
	for range 2 * fewAfter {
		move(1000)
	}
	_ = feed.CloseWrite()
	<-done
	if p.bulk.on || p.buf != nil {
		t.Errorf("at the end: bulk %v, buffer %v", p.bulk.on, p.buf)
	}
}
