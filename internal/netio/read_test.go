package netio

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// TestReadDeadline: a read gives up at its moment, at the latest one period after it, and never before.
func TestReadDeadline(t *testing.T) {
	for _, after := range []time.Duration{0, 1, time.Millisecond, Period - 1, Period, Period + 1, time.Second,
		time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := sweeping(t)
			ours, _ := piped(t)
			c := New(ours, s, 0)
			defer c.Close()
			at := s.Now() + int64(after)
			c.SetReadDeadline(at)
			(<-reading(c)).wantErr(t, ErrTimeout)
			if late := time.Duration(s.Now() - at); late < 0 || late > Period {
				t.Errorf("a deadline %v ahead came %v late, want 0 to %v", after, late, Period)
			}
		})
	}
}

// TestReadDeadlineMoves: the reader that waits obeys the moment that was named last.
func TestReadDeadlineMoves(t *testing.T) {
	tests := []struct {
		name        string
		first, then time.Duration // from the start; 0 is none
		want        time.Duration
	}{
		{"later", time.Second, 3 * time.Second, 3 * time.Second},
		{"sooner", time.Hour, time.Second, time.Second},
		{"given", 0, time.Second, time.Second},
		{"to what has passed", time.Hour, 1, time.Second / 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sweeping(t)
				ours, _ := piped(t)
				c := New(ours, s, 0)
				defer c.Close()
				start := s.Now()
				moment := func(d time.Duration) int64 {
					if d == 0 {
						return 0
					}
					return start + int64(d)
				}
				c.SetReadDeadline(moment(tt.first))
				got := reading(c)
				wait(time.Second / 2)
				c.SetReadDeadline(moment(tt.then))
				(<-got).wantErr(t, ErrTimeout)
				if took := time.Duration(s.Now() - start); took < tt.want || took > tt.want+Period {
					t.Errorf("gave up after %v, want %v", took, tt.want)
				}
			})
		})
	}
}

func TestReadDeadlineTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t)
		ours, peer := piped(t)
		c := New(ours, s, 0)
		defer c.Close()
		c.SetReadDeadline(s.Now() + int64(time.Second))
		got := reading(c)
		wait(time.Second / 2)
		c.SetReadDeadline(0)
		wait(time.Hour)
		if _, err := peer.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		(<-got).wantBytes(t, 4)
	})
}

// TestReadDeadlineStays: once the moment has passed every read says so, until another moment is named; then reading
// goes on where it was.
func TestReadDeadlineStays(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := sweeping(t)
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()
			c.SetReadDeadline(s.Now())
			for range 3 {
				(<-reading(c)).wantErr(t, ErrTimeout)
			}
			c.SetReadDeadline(s.Now() + int64(time.Hour))
			got := reading(c)
			if _, err := peer.Write([]byte("on")); err != nil {
				t.Fatal(err)
			}
			(<-got).wantBytes(t, 2)
		})
	}
}

// parked waits until a reader waits in the poller, as far as can be seen: it has read nothing for a while.
func parked(t testing.TB, got <-chan result) {
	t.Helper()
	for range 100 {
		runtime.Gosched()
	}
	select {
	case r := <-got:
		t.Fatalf("returned %d bytes and %v, want it to wait", r.n, r.err)
	default:
	}
}

func TestInterrupt(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := sweeping(t)
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()

			c.Interrupt() // before
			(<-reading(c)).wantErr(t, ErrInterrupted)

			_ = c.Conn.SetReadDeadline(past) // was for the one before
			got := reading(c)                // during
			parked(t, got)
			c.Interrupt()
			(<-got).wantErr(t, ErrInterrupted)

			c.Interrupt() // twice is once
			c.Interrupt()
			(<-reading(c)).wantErr(t, ErrInterrupted)
			got = reading(c)
			parked(t, got)

			c.Interrupt()
			(<-got).wantErr(t, ErrInterrupted)
			c.Interrupt() // taken back
			c.ClearInterrupt()
			got = reading(c)
			parked(t, got)
			_ = c.Conn.SetReadDeadline(past) // what was told or taken back is not told again
			if _, err := peer.Write([]byte("as good as before")); err != nil {
				t.Fatal(err)
			}
			(<-got).wantBytes(t, 17)
			c.ClearInterrupt() // nothing to take back
		})
	}
}

// TestInterruptAndDeadline: when both have happened, both are told, and neither makes the other be forgotten.
func TestInterruptAndDeadline(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, _ := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()

			c.SetReadDeadline(s.Now())
			s.sweep()
			c.Interrupt()
			(<-reading(c)).wantErr(t, ErrTimeout)
			c.SetReadDeadline(0)
			(<-reading(c)).wantErr(t, ErrInterrupted)

			c.SetReadDeadline(s.Now())
			s.sweep()
			c.Interrupt()
			c.ClearInterrupt()
			(<-reading(c)).wantErr(t, ErrTimeout)
		})
	}
}

// TestSpuriousWakeups: a wake-up that is not meant for the read in hand is not told to the caller.
func TestSpuriousWakeups(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()
			got := reading(c)
			for range 20 {
				c.SetReadDeadline(s.Now()) // has passed, and is moved between the sweeper's two steps
				s.sweep()
				c.SetReadDeadline(s.Now() + int64(time.Hour))
				_ = c.Conn.SetReadDeadline(past)
				runtime.Gosched()
			}
			select {
			case r := <-got: // it may have met the moment that had passed
				r.wantErr(t, ErrTimeout)
				got = reading(c)
			default:
			}
			if _, err := peer.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			(<-got).wantBytes(t, 1)
		})
	}
}

func TestReadEnds(t *testing.T) {
	for _, k := range kinds {
		for _, first := range []bool{false, true} {
			t.Run(k.name, func(t *testing.T) {
				testserver.Goroutines(t)
				s := NewSweeper()
				ours, peer := k.make(t)
				c := New(ours, s, 0)
				defer c.Close()
				var sent sync.WaitGroup
				sent.Go(func() {
					_, _ = peer.Write([]byte("last")) // the read below tells
					_ = peer.Close()
				})
				var all []byte
				var err error
				for err == nil {
					var b *Buffer
					var n int
					if first {
						if b, n, err = c.ReadFirst(); err == nil {
							all = append(all, b.B[:n]...)
							b.Free()
						}
						continue
					}
					p := make([]byte, 3)
					n, err = c.Read(p)
					all = append(all, p[:n]...)
				}
				sent.Wait()
				if string(all) != "last" || !errors.Is(err, io.EOF) {
					t.Errorf("read %q and then %v, want all and EOF", all, err)
				}
			})
		}
	}
}

// TestReadOfNothing: a connection that hands out no bytes and no error is asked again.
func TestReadOfNothing(t *testing.T) {
	testserver.Goroutines(t)
	ours, peer := piped(t)
	c := New(ours, NewSweeper(), 0)
	var sent sync.WaitGroup
	sent.Go(func() {
		for _, p := range []string{"", "", "x"} {
			if _, err := peer.Write([]byte(p)); err != nil {
				t.Error(err)
			}
		}
	})
	(<-reading(c)).wantBytes(t, 1)
	sent.Wait()
}

func TestReadAfterClose(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, _ := k.make(t)
			c := New(ours, s, 0)
			got := reading(c)
			parked(t, got)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if r := <-got; r.n != 0 || r.err == nil || errors.Is(r.err, ErrTimeout) ||
				errors.Is(r.err, ErrInterrupted) {
				t.Errorf("the read that waited got %d bytes and %v, want an error", r.n, r.err)
			}
			c.Interrupt()
			c.ClearInterrupt()
			c.SetReadDeadline(s.Now())
			if _, _, err := c.ReadFirst(); err == nil {
				t.Error("ReadFirst of a closed connection succeeded")
			}
			_ = c.Close() // more than once is fine
			if s.Len() != 0 {
				t.Errorf("the sweeper still has %d connections", s.Len())
			}
		})
	}
}

// TestReadFirstHoldsNothing: connections that wait hold no buffer. A fifth of one is the most that each may cost.
func TestReadFirstHoldsNothing(t *testing.T) {
	for _, k := range kinds[:] {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			const n = 200
			s := NewSweeper()
			conns := make([]*Conn, n)
			for i := range conns {
				ours, _ := k.make(t)
				conns[i] = New(ours, s, 0)
			}
			before := heap()
			var waiting sync.WaitGroup
			for _, c := range conns {
				waiting.Go(func() {
					b, _, err := c.ReadFirst()
					if err == nil {
						b.Free()
						t.Error("read something")
					}
				})
			}
			var held uint64
			until(t, "the heap is small again", func() bool { // those that are just trying hold one for a moment
				held = (heap() - before) / n
				return held <= BufferSize/5 || held > 1<<40
			})
			for _, c := range conns {
				_ = c.Close()
			}
			waiting.Wait()
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools let go in the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestReadFirstLosesNothing: what ReadFirst hands out and what Read reads after it is all that was sent, in order.
func TestReadFirstLosesNothing(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := NewSweeper()
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()
			want := bytes.Repeat([]byte("0123456789abcdef"), 5000)
			var sent sync.WaitGroup
			sent.Go(func() {
				for p := want; len(p) > 0; {
					n := min(len(p), 7001)
					if _, err := peer.Write(p[:n]); err != nil {
						t.Error(err)
						return
					}
					p = p[n:]
				}
			})
			var got []byte
			p := make([]byte, 5000)
			for len(got) < len(want) {
				b, n, err := c.ReadFirst()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b.B[:n]...)
				b.Free()
				if len(got) == len(want) {
					break
				}
				if n, err = c.Read(p); err != nil {
					t.Fatal(err)
				}
				got = append(got, p[:n]...)
			}
			sent.Wait()
			if !bytes.Equal(got, want) {
				t.Error("the bytes differ from what was sent")
			}
		})
	}
}

// TestDeadlinesFromAnotherGoroutine: the deadline setters and Interrupt race with the reader and the sweeper, and no
// byte is lost.
func TestDeadlinesFromAnotherGoroutine(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			testserver.Goroutines(t)
			s := sweeping(t)
			ours, peer := k.make(t)
			c := New(ours, s, 0)
			defer c.Close()
			const messages = 300
			stop := make(chan struct{})
			var others sync.WaitGroup
			others.Go(func() {
				for i := int64(0); ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					c.SetReadDeadline(s.Now() + (i%3-1)*int64(time.Millisecond))
					if i%5 == 0 {
						c.Interrupt()
					}
					s.sweep()
					_ = c.Hangup()
					runtime.Gosched()
				}
			})
			others.Go(func() {
				for range messages {
					if _, err := peer.Write([]byte("ping")); err != nil {
						t.Error(err)
						return
					}
				}
			})
			var p [4]byte
			for got := 0; got < 4*messages; {
				n, err := c.Read(p[:])
				if err != nil && !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrInterrupted) {
					t.Fatal(err)
				}
				for i := range n {
					if p[i] != "ping"[(got+i)%4] {
						t.Fatalf("byte %d is %q", got+i, p[i])
					}
				}
				got += n
			}
			close(stop)
			others.Wait()
		})
	}
}
