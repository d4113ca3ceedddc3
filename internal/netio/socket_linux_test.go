package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What is there already is read, answered and closed without the runtime's poller, and with one parking too.
func TestSocketStaysUnpolled(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	ours, peer := accepted(t)
	c := New(ours, s, time.Hour)
	for range 2 {
		if _, _, err := c.TryFirst(); !errors.Is(err, ErrWouldBlock) {
			t.Fatalf("TryFirst = %v, want that it would block", err)
		}
		l := mustPark(t, c)
		send(t, peer)
		<-l.resumed
		b, n, err := c.ReadFirst()
		if err != nil || string(b.B[:n]) != "unread" {
			t.Fatalf("ReadFirst = %d bytes and %v", n, err)
		}
		b.Free()
		if _, err := c.Write([]byte("done")); err != nil {
			t.Fatal(err)
		}
		if !c.Quiet() || !c.Drained() || c.Hangup() != Open {
			t.Error("not quiet, not drained or not open")
		}
	}
	if !c.Unpolled() {
		t.Error("the poller knows of it")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(peer); string(b) != "donedone" || err != nil {
		t.Errorf("the peer has read %q, %v", b, err)
	}
	if !c.Unpolled() {
		t.Error("the poller knew of it at the end")
	}
}

// Who has to wait tells the poller, once.
func TestSocketWaits(t *testing.T) {
	testserver.Goroutines(t)
	ours, peer := accepted(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	got := reading(c)
	until(t, "the poller knows of it", func() bool { return !c.Unpolled() })
	first := ours.(*socket).file.Load()
	send(t, peer)
	(<-got).wantBytes(t, 6)
	if _, err := ours.(*socket).SyscallConn(); err != nil || ours.(*socket).file.Load() != first {
		t.Errorf("it was told again (%v)", err)
	}
}

// A deadline that has passed counts before the poller knows of the socket, and afterwards; so does one that is taken
// away.
func TestSocketDeadlines(t *testing.T) {
	attempts := 0
	attempt := func(uintptr) bool { attempts++; return true }
	for _, polled := range []bool{false, true} {
		ours, _ := accepted(t)
		raw := ours.(*socket).briefly()
		if polled {
			_, _ = ours.(*socket).SyscallConn() // what follows finds out
		}
		attempts = 0
		for _, at := range []time.Time{past, time.Now()} {
			if err := ours.SetDeadline(at); err != nil {
				t.Fatal(err)
			}
			if err := raw.Read(attempt); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("polled %v: a read says %v", polled, err)
			}
			if err := raw.Write(attempt); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("polled %v: a write says %v", polled, err)
			}
		}
		if attempts != 0 {
			t.Errorf("polled %v: %d attempts behind the deadline", polled, attempts)
		}
		if err := ours.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(raw.Read(attempt), raw.Write(attempt)); err != nil || attempts != 2 {
			t.Errorf("polled %v: without a deadline, %v and %d attempts", polled, err, attempts)
		}
		if ours.(*socket).unpolled() == polled {
			t.Errorf("unpolled = %v", !polled)
		}
	}
}

// A deadline that has passed stays when the poller is told; one that has not is the poller's.
func TestSocketDeadlinesPolled(t *testing.T) {
	ours, peer := accepted(t)
	_ = ours.SetReadDeadline(past)
	if _, err := ours.Write([]byte("x")); err != nil { // which needs the poller
		t.Errorf("a write after the deadline of reads: %v", err)
	}
	_, err := ours.Read(make([]byte, 1))
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %v", err)
	}
	_ = ours.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read until the deadline: %v", err)
	}
	_ = ours.SetReadDeadline(time.Time{})
	_, _ = peer.Write([]byte("y"))
	if n, err := ours.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read after it: %d, %v", n, err)
	}
}

// A descriptor is not closed, and so is nobody else's, as long as a callback uses it.
func TestSocketClosedMeanwhile(t *testing.T) {
	for _, polled := range []bool{false, true} {
		ours, peer := accepted(t)
		s := ours.(*socket)
		entered, leave := make(chan struct{}), make(chan struct{})
		var using sync.WaitGroup
		using.Go(func() {
			_ = s.briefly().Control(func(fd uintptr) {
				close(entered)
				<-leave
				if _, err := syscall.Write(int(fd), []byte("open")); err != nil {
					t.Errorf("polled later %v: %v", polled, err)
				}
			})
		})
		<-entered
		if polled {
			if _, err := s.SyscallConn(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed again: %v", err)
		}
		close(leave)
		using.Wait()
		if b, err := io.ReadAll(peer); string(b) != "open" || err != nil {
			t.Errorf("polled later %v: the peer has read %q, %v", polled, b, err)
		}
	}
}

// What is closed says so in the words of package net.
func TestSocketClosed(t *testing.T) {
	for _, polled := range []bool{false, true} {
		ours, _ := accepted(t)
		s := ours.(*socket)
		raw := s.briefly()
		if polled {
			_, _ = s.SyscallConn()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, read := s.Read(make([]byte, 1))
		_, write := s.Write(make([]byte, 1))
		for what, err := range map[string]error{
			"Read": read, "Write": write, "CloseWrite": s.CloseWrite(), "SetLinger": s.SetLinger(0),
			"SetDeadline": s.SetDeadline(past), "SetDeadline later": s.SetDeadline(time.Now().Add(time.Hour)),
			"raw Read": raw.Read(func(uintptr) bool { return true }), "Close": s.Close(),
			"raw Write": raw.Write(func(uintptr) bool { return true }), "raw Control": raw.Control(func(uintptr) {}),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("polled %v: %s = %v, want that it is closed", polled, what, err)
			}
		}
	}
}

// All that other goroutines may do, at once, while one reads and one writes.
func TestSocketChurn(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	for range 200 {
		ours, peer := accepted(t)
		c := New(ours, s, time.Hour)
		var all sync.WaitGroup
		all.Go(func() {
			for {
				_, err := c.Read(make([]byte, 8))
				if err != nil && !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrTimeout) {
					return
				}
				c.SetReadDeadline(s.Now() + int64(time.Hour))
			}
		})
		all.Go(func() {
			for range 3 {
				_, _ = c.Write([]byte("x"))
			}
		})
		all.Go(c.Interrupt)
		all.Go(func() { c.SetReadDeadline(s.Now()) })
		all.Go(func() { _ = c.Hangup() })
		all.Go(func() {
			_, _ = peer.Write([]byte("hello"))
			_, _ = io.ReadFull(peer, make([]byte, 3))
			_ = c.Close()
		})
		all.Wait()
		_ = peer.Close()
	}
}

// The addresses are those that package net tells.
func TestSocketAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := Listen(t.Context(), address, nil)
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		conns := make(chan net.Conn, 1)
		l.Start(t.Context(), NewLimit(1), func(nc net.Conn) { conns <- nc }, func(err error) { t.Error(err) })
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ours := <-conns
		if ours.RemoteAddr().String() != peer.LocalAddr().String() ||
			ours.LocalAddr().String() != peer.RemoteAddr().String() ||
			Peer(ours) != AddrPort(ours.RemoteAddr()) || Peer(peer) != AddrPort(ours.LocalAddr()) {
			t.Errorf("%s: from %v to %v, want %v to %v", address, ours.RemoteAddr(), ours.LocalAddr(), peer.LocalAddr(),
				peer.RemoteAddr())
		}
		l.Close()
		_, _ = ours.Close(), peer.Close()
		if ours.LocalAddr() != nil {
			t.Error("an address of what is closed")
		}
	}
}
