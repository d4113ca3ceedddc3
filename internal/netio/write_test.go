package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// large is more than the kernel takes of a peer that does not read.
const large = 64 << 20

// writing writes b in another goroutine.
func writing(c *Conn, b []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := c.Write(b)
		done <- result{n, err}
	}()
	return done
}

// TestWriteAll: a write larger than the socket takes at once is written whole while the peer reads.
func TestWriteAll(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := sweeping(t)
			ours, peer := k.make(t)
			c := New(ours, s, time.Hour)
			defer c.Close()
			want := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			done := writing(c, want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(peer, got); err != nil {
				t.Fatal(err)
			}
			(<-done).wantBytes(t, len(want))
			if !bytes.Equal(got, want) {
				t.Error("the bytes differ from what was written")
			}
			if n, err := c.Write(nil); n != 0 || err != nil {
				t.Errorf("Write(nil) = %d, %v", n, err)
			}
		})
	}
}

// TestWriteStall: a peer that does not read ends the write after the write timeout, and all later ones at once.
func TestWriteStall(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := sweeping(t)
			ours, _ := k.make(t)
			const timeout = 2 * Period
			c := New(ours, s, timeout)
			defer func() { _ = c.Abort() }()
			start := s.Now()
			n, err := c.Write(make([]byte, large))
			if took := time.Duration(s.Now() - start); !errors.Is(err, ErrTimeout) || n == large || took < timeout {
				t.Errorf("Write = %d, %v after %v; want ErrTimeout after %v", n, err, took, timeout)
			}
			if n, err = c.Write([]byte("more")); n != 0 || !errors.Is(err, ErrTimeout) {
				t.Errorf("Write after it = %d, %v; want ErrTimeout", n, err)
			}
		})
	}
}

// TestWriteStallBegins: the time of a stall begins anew whenever the peer has taken something.
func TestWriteStallBegins(t *testing.T) {
	testserver.Goroutines(t)
	s := NewSweeper()
	ours, peer := dialled(t)
	c := New(ours, s, time.Hour)
	done := writing(c, make([]byte, large))
	if err := peer.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var before int64
	p := make([]byte, 1<<20)
	for range 3 {
		until(t, "the write waits", func() bool { return c.writeAt.Load() > before })
		before = c.writeAt.Load()
		var last time.Time
		until(t, "it waits anew", func() bool {
			// The writer is given time between two reads, else they may take all that it has.
			if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
				if _, err := peer.Read(p); err != nil {
					t.Fatal(err)
				}
				last = now
			}
			return c.writeAt.Load() > before
		})
	}
	_ = c.Abort()
	if r := <-done; r.err == nil {
		t.Error("the write outlived its connection")
	}
}

// TestWriteStallPieces: where a write cannot be watched, as under TLS, each piece of it has the timeout to itself.
func TestWriteStallPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t)
		ours, peer := piped(t)
		c := New(ours, s, time.Second)
		defer c.Close()
		const pieces = 8
		done := writing(c, make([]byte, pieces*plainPiece))
		p := make([]byte, plainPiece)
		for range pieces {
			wait(time.Second - Period)
			if _, err := io.ReadFull(peer, p); err != nil {
				t.Fatal(err)
			}
		}
		(<-done).wantBytes(t, pieces*plainPiece)
		start := s.Now()
		n, err := c.Write(p)
		took := time.Duration(s.Now() - start)
		if n != 0 || !errors.Is(err, ErrTimeout) || took < time.Second || took > time.Second+Period {
			t.Errorf("Write to nobody = %d, %v after %v; want ErrTimeout after 1s", n, err, took)
		}
	})
}

// TestWriteTimeoutChanges: a new timeout is in force from the next write.
func TestWriteTimeoutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t)
		ours, peer := piped(t)
		c := New(ours, s, 0)
		defer c.Close()
		done := writing(c, make([]byte, 8))
		wait(time.Hour)
		if _, err := io.ReadFull(peer, make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		(<-done).wantBytes(t, 8)
		c.SetWriteTimeout(time.Minute)
		start := s.Now()
		if _, err := c.Write(make([]byte, 8)); !errors.Is(err, ErrTimeout) {
			t.Errorf("Write = %v, want ErrTimeout", err)
		}
		if took := time.Duration(s.Now() - start); took < time.Minute || took > time.Minute+Period {
			t.Errorf("took %v, want 1m", took)
		}
	})
}

// slowConn takes its time for a write, whatever the deadline, and then succeeds. A write that begins behind its
// deadline fails, as under TLS, for good.
type slowConn struct {
	net.Conn
	takes    time.Duration
	mu       sync.Mutex // guards deadline, dead
	deadline time.Time
	dead     bool
}

func (c *slowConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.dead = c.dead || !c.deadline.IsZero()
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return 0, os.ErrDeadlineExceeded
	}
	if c.takes > 0 {
		wait(c.takes)
	}
	return len(b), nil
}

func (c *slowConn) SetWriteDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = at
	return nil
}

// TestWriteWokenTooLate: the wake-up for a write that ended at the very last moment does not meet the next one.
func TestWriteWokenTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t)
		c := New(&slowConn{takes: 2 * time.Second}, s, time.Second)
		for range 3 {
			if n, err := c.Write(make([]byte, 2*plainPiece)); n != 2*plainPiece || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
	})
}

// lateConn's first write ends while the sweeper is on its way to wake it.
type lateConn struct {
	slowConn
	waking, written chan struct{}
}

func (c *lateConn) Write(b []byte) (int, error) {
	select {
	case <-c.written:
	default:
		<-c.waking
		defer close(c.written)
	}
	return c.slowConn.Write(b)
}

func (c *lateConn) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() {
		close(c.waking)
		<-c.written
		for range 1000 { // so that whoever does not wait for the sweeper goes ahead of it
			runtime.Gosched()
		}
	}
	return c.slowConn.SetWriteDeadline(at)
}

func TestWriteWokenMeanwhile(t *testing.T) {
	testserver.Goroutines(t)
	s := sweeping(t)
	c := New(&lateConn{waking: make(chan struct{}), written: make(chan struct{})}, s, time.Millisecond)
	for range 2 {
		if n, err := c.Write([]byte("x")); n != 1 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		c.SetWriteTimeout(0)
		s.await() // what the sweeper was doing it has done
	}
}

// TestWriteSpuriousWakeup: the same on a socket.
func TestWriteSpuriousWakeup(t *testing.T) {
	testserver.Goroutines(t)
	s := NewSweeper()
	ours, peer := dialled(t)
	c := New(ours, s, time.Hour)
	defer c.Close()
	_ = c.Conn.SetWriteDeadline(past)
	if n, err := c.Write([]byte("first")); n != 5 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	done := writing(c, make([]byte, large))
	until(t, "the write waits", func() bool { return c.writeAt.Load() > 0 })
	_ = c.Conn.SetWriteDeadline(past)
	if _, err := io.CopyN(io.Discard, peer, large+5); err != nil {
		t.Fatal(err)
	}
	(<-done).wantBytes(t, large)
	if at := c.writeAt.Load(); at != 0 {
		t.Errorf("the sweeper still waits for %d", at)
	}
}

func TestWriteToNobody(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, peer := k.make(t)
			c := New(ours, s, time.Hour)
			defer c.Close()
			_ = peer.Close()
			until(t, "a write fails", func() bool {
				_, err := c.Write([]byte("x"))
				return err != nil && !errors.Is(err, ErrTimeout)
			})
		})
	}
}

// TestAbort: the peer sees a reset, also under TLS.
func TestAbort(t *testing.T) {
	for _, k := range kinds[:3] {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			got := reading(c)
			parked(t, got)
			if err := c.Abort(); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the peer's read = %v, want a reset", err)
			}
			if r := <-got; r.err == nil {
				t.Error("our own read went on")
			}
			if s.Len() != 0 {
				t.Errorf("the sweeper still has %d connections", s.Len())
			}
		})
	}
}

// TestAbortInMemory: where there are no resets, the connection is closed.
func TestAbortInMemory(t *testing.T) {
	ours, peer := piped(t)
	c := New(ours, NewSweeper(), 0)
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the peer's read = %v, want EOF", err)
	}
}

// TestCloseWrite: the peer sees the end, and can still be read from.
func TestCloseWrite(t *testing.T) {
	for _, k := range kinds[:3] {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the peer's read = %v, want EOF", err)
			}
			if _, err := peer.Write([]byte("still")); err != nil {
				t.Fatal(err)
			}
			(<-reading(c)).wantBytes(t, 5)
		})
	}
}

// BenchmarkPingPong is one small message there and back between two goroutines on one connection.
func BenchmarkPingPong(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := sweeping(b)
			ours, peer := k.make(b)
			client, server := New(ours, s, time.Hour), New(peer, s, time.Hour)
			var echo sync.WaitGroup
			echo.Go(func() {
				p := make([]byte, 64)
				for {
					n, err := server.Read(p)
					if err != nil {
						return
					}
					if _, err := server.Write(p[:n]); err != nil {
						return
					}
				}
			})
			p := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				client.SetReadDeadline(s.Now() + int64(time.Second))
				if _, err := client.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := client.Read(p); err != nil {
					b.Fatal(err)
				}
			}
			_ = client.Close()
			echo.Wait()
		})
	}
}
