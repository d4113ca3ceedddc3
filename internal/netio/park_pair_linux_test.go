package netio

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// twins is two connections of one sweeper.
func twins(t testing.TB, s *Sweeper) (read, watched *Conn, peers [2]*net.TCPConn) {
	t.Helper()
	a, peerA := dialled(t)
	b, peerB := dialled(t)
	read, watched = New(a, s, 0), New(b, s, 0)
	t.Cleanup(func() { _, _ = read.Close(), watched.Close() })
	return read, watched, [2]*net.TCPConn{peerA, peerB}
}

// TestParkWithResumes: whatever would end a read of either has their owner go on, once, with both.
func TestParkWithResumes(t *testing.T) {
	say := func(peer *net.TCPConn) error { _, err := peer.Write([]byte("x")); return err }
	for name, do := range map[string]func(c *Conn, peer *net.TCPConn) error{
		"bytes":      func(_ *Conn, peer *net.TCPConn) error { return say(peer) },
		"half-close": func(_ *Conn, peer *net.TCPConn) error { return peer.CloseWrite() },
		"reset":      func(_ *Conn, peer *net.TCPConn) error { return errors.Join(peer.SetLinger(0), peer.Close()) },
		"interrupt":  func(c *Conn, _ *net.TCPConn) error { c.Interrupt(); return nil },
		"close":      func(c *Conn, _ *net.TCPConn) error { return c.Close() },
		"abort":      func(c *Conn, _ *net.TCPConn) error { return c.Abort() },
	} {
		for which, side := range []string{"read", "watched"} {
			t.Run(name+" of "+side, func(t *testing.T) {
				testserver.Goroutines(t)
				s := keeping(t)
				read, watched, peers := twins(t, s)
				l := newLodger()
				if !read.ParkWith(watched, l) {
					t.Fatal("not parked")
				}
				if s.Parked() != 2 || s.Len() != 2 {
					t.Fatalf("%d connections, %d parked; want 2 and 2", s.Len(), s.Parked())
				}
				s.intact(t)
				if err := do([]*Conn{read, watched}[which], peers[which]); err != nil {
					t.Fatal(err)
				}
				<-l.resumed
				if n := s.Parked(); n != 0 {
					t.Errorf("%d are still parked", n)
				}
				s.intact(t)
				// what comes at the other one now is nobody's news
				if err := say(peers[1-which]); err != nil {
					t.Fatal(err)
				}
				other := []*Conn{read, watched}[1-which]
				(<-reading(other)).wantBytes(t, 1)
				if len(l.resumed)+len(l.expired) != 0 {
					t.Error("told twice")
				}
			})
		}
	}
}

// TestParkWithAgain: connections that were parked together are parked apart, and together again.
func TestParkWithAgain(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	read, watched, peers := twins(t, s)
	for range 3 {
		l := newLodger()
		if !read.ParkWith(watched, l) {
			t.Fatal("not parked")
		}
		if !watched.Unpark() || s.Parked() != 0 {
			t.Fatal("still parked")
		}
		for i, c := range []*Conn{read, watched} {
			alone := mustPark(t, c)
			if _, err := peers[i].Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			<-alone.resumed
			(<-reading(c)).wantBytes(t, 1)
		}
		if len(l.resumed)+len(l.expired) != 0 {
			t.Error("told, though it was taken back")
		}
		s.intact(t)
	}
}

// TestParkWithExpires: the moment of either is heard of once, also where both are due.
func TestParkWithExpires(t *testing.T) {
	for name, due := range map[string][2]bool{"read": {true, false}, "watched": {false, true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := keeping(t)
			read, watched, _ := twins(t, s)
			for i, c := range []*Conn{read, watched} {
				if due[i] {
					c.SetReadDeadline(s.Now() + int64(20*time.Millisecond))
				}
			}
			l := newLodger()
			if !read.ParkWith(watched, l) {
				t.Fatal("not parked")
			}
			<-l.expired
			if n := s.Parked(); n != 0 || len(l.resumed)+len(l.expired) != 0 {
				t.Errorf("%d are still parked, or told twice", n)
			}
			s.intact(t)
		})
	}
}

// TestParkWithRefused: where one cannot be parked, neither is.
func TestParkWithRefused(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	plain := func() *Conn { ours, _ := dialled(t); return New(ours, s, 0) }
	secret := func() *Conn { ours, _ := encrypted(t); return New(ours, s, 0) }
	pipe := func() *Conn { ours, _ := piped(t); return New(ours, s, 0) }
	interrupted := func() *Conn { c := plain(); c.Interrupt(); return c }
	closed := func() *Conn { c := plain(); _ = c.Close(); return c }
	known := func() *Conn { // the kernel has it in the set already, and refuses it
		c := plain()
		mustPark(t, c)
		c.Unpark()
		c.ticket = 0
		return c
	}
	for _, row := range []struct {
		name          string
		read, watched func() *Conn
		parked        bool
	}{
		{"both plain", plain, plain, true},
		{"watched under TLS", plain, secret, true},
		{"read under TLS", secret, plain, false},
		{"watched without a socket", plain, pipe, false},
		{"read without a socket", pipe, plain, false},
		{"watched interrupted", plain, interrupted, false},
		{"read interrupted", interrupted, plain, false},
		{"watched closed", plain, closed, false},
		{"read closed", closed, plain, false},
		{"watched refused by the kernel", plain, known, false},
		{"read refused by the kernel", known, plain, false},
	} {
		read, watched := row.read(), row.watched()
		l := newLodger()
		if got := read.ParkWith(watched, l); got != row.parked {
			t.Errorf("%s: parked %v", row.name, got)
		}
		want := 0
		if row.parked {
			want = 2
		}
		if n := s.Parked(); n != want || len(l.resumed)+len(l.expired) != 0 {
			t.Errorf("%s: %d are parked, want %d", row.name, n, want)
		}
		s.intact(t)
		read.Unpark()
		_, _ = read.Close(), watched.Close()
	}
}

// TestParkWithOutlived: when the sweeper ends, their owner goes on once.
func TestParkWithOutlived(t *testing.T) {
	testserver.Goroutines(t)
	s := NewSweeper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	read, watched, _ := twins(t, s)
	l := newLodger()
	until(t, "they are parked", func() bool { return read.ParkWith(watched, l) })
	stop()
	running.Wait()
	<-l.resumed
	if len(l.resumed)+len(l.expired) != 0 {
		t.Error("told twice")
	}
}

// tally counts how often it was told.
type tally struct {
	told atomic.Int64
	once chan struct{}
}

func (l *tally) Resume() {
	if l.told.Add(1) == 1 {
		close(l.once)
	}
}
func (l *tally) Expire() { l.Resume() }

// TestParkWithRace has everything happen to a pair at once: its owner is told exactly once, and nothing is lost.
func TestParkWithRace(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	for range 300 {
		read, watched, peers := twins(t, s)
		l := &tally{once: make(chan struct{})}
		read.SetReadDeadline(s.Now() + int64(time.Millisecond))
		var all sync.WaitGroup
		for _, peer := range peers {
			all.Go(func() { _, _ = peer.Write([]byte("x")) })
		}
		all.Go(watched.Interrupt)
		parked := read.ParkWith(watched, l)
		all.Wait()
		if parked {
			<-l.once
		}
		if n := s.Parked(); n != 0 {
			t.Fatalf("%d are parked, want none", n)
		}
		_, _ = read.Close(), watched.Close()
		for _, peer := range peers {
			_ = peer.Close()
		}
		want := int64(0)
		if parked {
			want = 1
		}
		if n := l.told.Load(); n != want {
			t.Fatalf("told %d times, want %d", n, want)
		}
	}
	s.intact(t)
}
