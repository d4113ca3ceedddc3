package netio

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// lodger is the owner of a parked connection: it tells what became of it.
type lodger struct{ resumed, expired chan struct{} }

func newLodger() *lodger { return &lodger{make(chan struct{}, 1), make(chan struct{}, 1)} }

func (l *lodger) Resume() { l.resumed <- struct{}{} }
func (l *lodger) Expire() { l.expired <- struct{}{} }

// mustPark parks c.
func mustPark(t testing.TB, c *Conn) *lodger {
	t.Helper()
	l := newLodger()
	if !c.Park(l) {
		t.Fatal("not parked")
	}
	return l
}

// keeping makes a sweeper that connections can be parked with, and ends it with the test.
func keeping(t testing.TB) *Sweeper {
	t.Helper()
	s := sweeping(t)
	until(t, "the parked set is open", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.parked.open
	})
	return s
}

// TestParkResumes: whatever would end a read that waits ends the parking, and the next read tells what it was.
func TestParkResumes(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(c *Conn, peer *net.TCPConn) error
		want error
	}{
		{"bytes", func(_ *Conn, peer *net.TCPConn) error { _, err := peer.Write([]byte("hello")); return err }, nil},
		{"half-close", func(_ *Conn, peer *net.TCPConn) error { return peer.CloseWrite() }, io.EOF},
		{"reset", func(_ *Conn, peer *net.TCPConn) error { return errors.Join(peer.SetLinger(0), peer.Close()) },
			syscall.ECONNRESET},
		{"interrupt", func(c *Conn, _ *net.TCPConn) error { c.Interrupt(); return nil }, ErrInterrupted},
		{"close", func(c *Conn, _ *net.TCPConn) error { return c.Close() }, net.ErrClosed},
		{"abort", func(c *Conn, _ *net.TCPConn) error { return c.Abort() }, net.ErrClosed},
	} {
		t.Run(row.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := keeping(t)
			ours, peer := dialled(t)
			c := New(ours, s, 0)
			defer c.Close()
			for _, before := range []bool{false, true} { // the second time, what resumes it is there already
				if before && row.want != nil {
					break
				}
				if before {
					if err := row.do(c, peer); err != nil {
						t.Fatal(err)
					}
				}
				l := mustPark(t, c)
				if !before {
					if s.Parked() != 1 || s.Len() != 1 {
						t.Fatalf("%d connections, %d parked; want 1 and 1", s.Len(), s.Parked())
					}
					s.intact(t)
					if err := row.do(c, peer); err != nil {
						t.Fatal(err)
					}
				}
				<-l.resumed
				if s.Parked() != 0 {
					t.Error("still parked")
				}
				s.intact(t)
				b, n, err := c.ReadFirst()
				if row.want == nil && (err != nil || string(b.B[:n]) != "hello") || !errors.Is(err, row.want) {
					t.Errorf("ReadFirst = %d bytes and %v, want %v", n, err, row.want)
				}
				b.Free()
			}
		})
	}
}

// TestParkExpires: the owner hears of the moment, not early and not much later, also when it is nearer than those of
// all others.
func TestParkExpires(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	var conns [3]*Conn
	var lodgers [3]*lodger
	for i := range conns {
		ours, _ := dialled(t)
		conns[i] = New(ours, s, 0)
		defer conns[i].Close()
		switch i {
		case 0:
			conns[i].SetReadDeadline(s.Now() + int64(time.Hour))
		case 2:
			conns[i].SetReadDeadline(s.Now() + int64(30*time.Millisecond))
		}
		lodgers[i] = mustPark(t, conns[i])
	}
	<-lodgers[2].expired
	if late := time.Duration(s.Now() - conns[2].readAt.Load()); late < 0 || late > ParkedPeriod {
		t.Errorf("came %v late, want 0 to %v", late, ParkedPeriod)
	}
	until(t, "the next look is for the hour", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.parked.next == conns[0].readAt.Load()
	})
	if s.Parked() != 2 {
		t.Errorf("%d are parked, want 2", s.Parked())
	}
	if conns[2].SetReadDeadline(s.Now() - 1); conns[2].Park(lodgers[2]) {
		<-lodgers[2].expired
	} else {
		t.Error("not parked again")
	}
}

// TestUnpark: what is taken back is the caller's alone; an event that was armed meets nobody, and it can be parked
// again.
func TestUnpark(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	ours, peer := dialled(t)
	c := New(ours, s, 0)
	defer c.Close()
	if c.Unpark() {
		t.Fatal("unparked what was not parked")
	}
	first := mustPark(t, c)
	if !c.Unpark() || c.Unpark() || s.Parked() != 0 || s.Len() != 1 {
		t.Fatal("not unparked once")
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if b, n, err := c.ReadFirst(); n != 1 || err != nil {
		t.Fatalf("ReadFirst = %d, %v", n, err)
	} else {
		b.Free()
	}
	second := mustPark(t, c)
	if _, err := peer.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	<-second.resumed
	if len(first.resumed) != 0 {
		t.Error("the first owner was told as well")
	}
	(<-reading(c)).wantBytes(t, 1)
}

// TestParkOldEvents: an event of an earlier parking, or of an earlier connection with the descriptor, wakes nobody.
func TestParkOldEvents(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	ours, _ := dialled(t)
	c := New(ours, s, 0)
	defer c.Close()
	l := mustPark(t, c)
	s.readable(int(c.fd), c.ticket-1)
	if s.Parked() != 1 {
		t.Fatal("woken by an old event")
	}
	s.readable(int(c.fd), c.ticket)
	<-l.resumed
	s.readable(int(c.fd), c.ticket)
	if len(l.resumed) != 0 {
		t.Error("woken twice")
	}
}

// TestPollSetTellsOnce: what is armed is told of once, readable as it may stay, and again after it was armed again.
func TestPollSetTellsOnce(t *testing.T) {
	p, err := newPollSet()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ours, peer := dialled(t)
	if _, err = peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	raw, err := ours.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for turn := range uint32(3) {
		if err = raw.Control(func(fd uintptr) {
			if !p.arm(int(fd), turn, turn > 0) {
				t.Error("not armed")
			}
		}); err != nil {
			t.Fatal(err)
		}
		p.until(time.Now().Add(2 * Period))
		var told []uint32
		err = p.wait(func(_ int, ticket uint32) {
			if told = append(told, ticket); len(told) > 1 {
				p.close()
				panic("told twice")
			}
		})
		if !errors.Is(err, os.ErrDeadlineExceeded) || len(told) != 1 || told[0] != turn {
			t.Errorf("turn %d: told of %v, %v", turn, told, err)
		}
	}
}

// TestParkRefused: where a connection cannot be parked it stays the caller's.
func TestParkRefused(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	idle := NewSweeper() // nobody runs it
	ended := NewSweeper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	ended.Run(ctx)
	plain := func(s *Sweeper) *Conn { ours, _ := dialled(t); return New(ours, s, 0) }
	for name, make := range map[string]func() *Conn{
		"tls":                func() *Conn { ours, _ := encrypted(t); return New(ours, s, 0) },
		"pipe":               func() *Conn { ours, _ := piped(t); return New(ours, s, 0) },
		"no sweeper at work": func() *Conn { return plain(idle) },
		"sweeper has ended":  func() *Conn { return plain(ended) },
		"interrupted":        func() *Conn { c := plain(s); c.Interrupt(); return c },
		"closed":             func() *Conn { c := plain(s); _ = c.Close(); return c },
	} {
		c := make()
		if l := newLodger(); c.Park(l) || len(l.resumed)+len(l.expired) != 0 {
			t.Errorf("%s: parked", name)
		}
		if n := c.sweeper.Parked(); n != 0 {
			t.Errorf("%s: %d parked", name, n)
		}
		c.sweeper.intact(t)
		_ = c.Close()
	}
}

// TestParkRefusedByTheKernel: a set that takes no more gives the connection back.
func TestParkRefusedByTheKernel(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	ours, peer := dialled(t)
	c := New(ours, s, 0)
	defer c.Close()
	mustPark(t, c)
	c.Unpark()
	c.ticket = 0 // so that it is added a second time, which fails
	if c.Park(newLodger()) {
		t.Fatal("parked")
	}
	s.intact(t)
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	(<-reading(c)).wantBytes(t, 1)
}

// TestParkOutlived: connections that are parked when the sweeper ends go on in goroutines, and no descriptor is left
// behind.
func TestParkOutlived(t *testing.T) {
	testserver.Goroutines(t)
	dialled(t) // the runtime opens descriptors of its own with the first socket of the process
	s := NewSweeper()
	for range 2 {
		before := descriptors(t)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		ours, peer := dialled(t)
		c := New(ours, s, 0)
		l := newLodger()
		until(t, "it is parked", func() bool { return c.Park(l) })
		if n := descriptors(t); n != before+3 {
			t.Errorf("%d descriptors more for a connection's two ends, want 3", n-before)
		}
		stop()
		running.Wait()
		<-l.resumed
		if s.Parked() != 0 || c.Park(l) {
			t.Error("still parked")
		}
		_, _ = c.Close(), peer.Close()
		if n := descriptors(t); n != before {
			t.Errorf("%d descriptors are left", n-before)
		}
	}
}

// descriptors is how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// echo answers each byte with itself and parks in between, with no goroutine of its own.
type echo struct {
	c     *Conn
	turns atomic.Int64
	over  chan error
}

func (e *echo) Resume() {
	for {
		b, n, err := e.c.ReadFirst()
		if err == nil {
			e.turns.Add(1)
			_, err = e.c.Write(b.B[:n])
			b.Free()
		}
		if err != nil {
			e.over <- err
			return
		}
		if e.c.Park(e) {
			return
		}
	}
}

func (e *echo) Expire() { e.over <- ErrTimeout }

// TestParkLosesNothing: bytes that come at the very moment of parking resume the connection.
func TestParkLosesNothing(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	var clients sync.WaitGroup
	for i := range uint64(8) {
		ours, peer := dialled(t)
		e := &echo{c: New(ours, s, 0), over: make(chan error, 1)}
		if !e.c.Park(e) {
			t.Fatal("not parked")
		}
		clients.Go(func() {
			r := rand.New(rand.NewPCG(i, 1))
			_ = peer.SetDeadline(time.Now().Add(30 * time.Second))
			p := make([]byte, 4)
			for range 3000 {
				n := 1 + r.IntN(3) // several at once may be one turn or more
				for j := range n {
					if _, err := peer.Write(p[j : j+1]); err != nil {
						t.Error(err)
						return
					}
					for range r.IntN(3) {
						runtime.Gosched()
					}
				}
				if _, err := io.ReadFull(peer, p[:n]); err != nil {
					t.Errorf("after %d turns: %v", e.turns.Load(), err)
					return
				}
			}
			_ = peer.Close()
			if err := <-e.over; !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the connection ended with %v", err)
			}
			_ = e.c.Close()
		})
	}
	clients.Wait()
	if s.Len() != 0 {
		t.Errorf("%d connections are left", s.Len())
	}
}

// checker fails when it is resumed with nothing to read, unless it was closed.
type checker struct {
	t      *testing.T
	c      *Conn
	closed atomic.Bool
	done   chan struct{}
}

func (k *checker) Resume() {
	if !k.closed.Load() && k.c.Quiet() {
		k.t.Error("resumed for nothing")
	}
	close(k.done)
}

func (k *checker) Expire() {}

// TestParkDescriptorsReused: events of a connection that was closed meanwhile never reach the next one with its
// descriptor. Half of the connections are closed while their bytes are on the way, by two goroutines at once. Their
// descriptors go to those that come next.
func TestParkDescriptorsReused(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	var churn sync.WaitGroup
	for g := range uint64(4) {
		churn.Go(func() {
			r := rand.New(rand.NewPCG(g, 2))
			for range 250 {
				ours, peer := dialled(t)
				k := &checker{t: t, c: New(ours, s, 0), done: make(chan struct{})}
				if !k.c.Park(k) {
					t.Error("not parked")
					return
				}
				var both sync.WaitGroup
				if r.IntN(2) == 0 {
					both.Go(func() { k.closed.Store(true); _ = k.c.Close() })
				}
				both.Go(func() { _, _ = peer.Write([]byte("x")) })
				both.Wait()
				<-k.done
				_, _ = k.c.Close(), peer.Close()
			}
		})
	}
	churn.Wait()
	if s.Len() != 0 || s.Parked() != 0 {
		t.Errorf("%d connections are left, %d parked", s.Len(), s.Parked())
	}
	s.intact(t)
}

// TestParkMany: 2,000 connections cost no goroutine and one descriptor while they are parked, over and over.
func TestParkMany(t *testing.T) {
	testserver.Goroutines(t)
	s := keeping(t)
	const many = 2000
	conns, peers := make([]*echo, many), make([]*net.TCPConn, many)
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	for i := range conns {
		var ours *net.TCPConn
		ours, peers[i] = dialled(t)
		conns[i] = &echo{c: New(ours, s, 0), over: make(chan error, 1)}
		if !conns[i].c.Park(conns[i]) {
			t.Fatal("not parked")
		}
	}
	p := make([]byte, 1)
	for range 3 {
		if n := descriptors(t); n != before+2*many+1 {
			t.Errorf("%d descriptors more, want %d", n-before, 2*many+1)
		}
		until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		for _, c := range peers {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range peers {
			if _, err := io.ReadFull(c, p); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "all are parked", func() bool { return s.Parked() == many })
		s.intact(t)
	}
	for _, c := range peers {
		_ = c.Close()
	}
	for _, e := range conns {
		if err := <-e.over; err == nil {
			t.Error("a connection ended without a reason")
		}
		_ = e.c.Close()
	}
	if n := descriptors(t); n != before+1 {
		t.Errorf("%d descriptors are left, want the set's alone", n-before)
	}
}

// BenchmarkPingPongParked is [BenchmarkPingPong] with a server that parks after every message: the difference is what
// parking and resuming cost.
func BenchmarkPingPongParked(b *testing.B) {
	s := keeping(b)
	ours, peer := dialled(b)
	client := New(peer, s, 0)
	server := &echo{c: New(ours, s, 0), over: make(chan error, 1)}
	go server.Resume()
	p := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := client.Read(p); err != nil {
			b.Fatal(err)
		}
	}
	_ = client.Close()
	if err := <-server.over; !errors.Is(err, io.EOF) {
		b.Error(err)
	}
	_ = server.c.Close()
}
