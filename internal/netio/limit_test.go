package netio

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scriptedListener answers each Accept with the next step of its script, and then waits for Close.
type scriptedListener struct {
	net.Listener
	script []error // nil: a connection
	calls  []time.Time
	closed chan struct{}
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	i := len(l.calls)
	l.calls = append(l.calls, time.Now())
	if i < len(l.script) {
		if l.script[i] == nil {
			ours, _ := net.Pipe()
			return ours, nil
		}
		return nil, &net.OpError{Op: "accept", Err: l.script[i]}
	}
	<-l.closed
	return nil, &net.OpError{Op: "accept", Err: net.ErrClosed}
}

func (l *scriptedListener) Close() error { close(l.closed); return nil }

// accepting runs Accept and returns what it did when it has ended.
func accepting(ctx context.Context, limit *Limit, ln net.Listener) (served *int, reported *[]error,
	done *sync.WaitGroup) {
	served, reported, done = new(int), new([]error), new(sync.WaitGroup)
	done.Go(func() {
		NewListener(ln).accept(ctx, limit, func(net.Conn) { *served++ },
			func(err error) { *reported = append(*reported, err) })
	})
	return served, reported, done
}

// TestAcceptHoldsBack: with all places taken nothing is accepted, and each place given back lets one in.
func TestAcceptHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := NewLimit(2)
		ln := &scriptedListener{script: make([]error, 4), closed: make(chan struct{})}
		served, _, done := accepting(t.Context(), limit, ln)
		for want := 2; want <= 4; want++ {
			synctest.Wait()
			if *served != want || len(ln.calls) != want || limit.Used() != 2 {
				t.Fatalf("served %d, asked %d times, %d places taken; want %d, %d, 2", *served, len(ln.calls),
					limit.Used(), want, want)
			}
			if all, now := limit.Waits(); all != uint64(want-1) || now != 1 {
				t.Errorf("%d accepts have waited and %d wait, want %d and 1", all, now, want-1)
			}
			limit.Release()
		}
		synctest.Wait() // waits in Accept, its place taken
		if all, now := limit.Waits(); limit.Used() != 2 || all != 3 || now != 0 {
			t.Errorf("%d places taken while it waits, %d accepts have waited and %d wait; want 2, 3, 0", limit.Used(),
				all,
				now)
		}
		_ = ln.Close()
		done.Wait()
		if limit.Used() != 1 {
			t.Errorf("%d places taken at the end, want that of one connection", limit.Used())
		}
	})
}

// TestAcceptSurvives: passing errors are told, waited out for longer and longer, and forgotten when an accept works
// again.
func TestAcceptSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := NewLimit(10)
		full := error(syscall.EMFILE)
		script := []error{full, full, full, full, full, full, full, full, full, full, nil, syscall.ECONNABORTED, nil}
		ln := &scriptedListener{script: script, closed: make(chan struct{})}
		served, reported, done := accepting(t.Context(), limit, ln)
		wait(time.Hour)
		synctest.Wait()
		if *served != 2 || len(*reported) != 11 || limit.Used() != 3 {
			t.Errorf("served %d, told %d errors, %d places taken; want 2, 11, 3", *served, len(*reported), limit.Used())
		}
		var pauses []time.Duration
		for i := 1; i < len(ln.calls); i++ {
			pauses = append(pauses, ln.calls[i].Sub(ln.calls[i-1])/time.Millisecond)
		}
		if want := []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0, 5, 0}; !slices.Equal(pauses, want) {
			t.Errorf("paused %v ms, want %v", pauses, want)
		}
		_ = ln.Close()
		done.Wait()
	})
}

// TestAcceptEnds: the end of its context frees Accept from waiting for a place and from a pause.
func TestAcceptEnds(t *testing.T) {
	t.Run("without a place", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			ln := &scriptedListener{script: make([]error, 9), closed: make(chan struct{})}
			served, _, done := accepting(ctx, NewLimit(1), ln)
			synctest.Wait()
			stop()
			done.Wait()
			if *served != 1 {
				t.Errorf("served %d, want 1", *served)
			}
		})
	})
	t.Run("in a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			ln := &scriptedListener{script: []error{syscall.EMFILE}, closed: make(chan struct{})}
			limit := NewLimit(1)
			_, reported, done := accepting(ctx, limit, ln)
			synctest.Wait()
			stop()
			done.Wait()
			if len(*reported) != 1 || limit.Used() != 0 {
				t.Errorf("told %v, %d places taken; want one error and none", *reported, limit.Used())
			}
		})
	})
}

// listening runs a listener on a port of the kernel's choice until the test ends. Its connections go to conns.
func listening(t *testing.T, limit *Limit, conns chan<- net.Conn) (addr string) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Start(t.Context(), limit, func(nc net.Conn) { conns <- nc }, func(err error) { t.Error(err) })
	t.Cleanup(l.Close)
	return l.Addr().String()
}

func connect(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
}

// inTurn takes n connections, of which none may be accepted before the one ahead of it has ended.
func inTurn(t *testing.T, n int, limit *Limit, conns <-chan net.Conn) {
	t.Helper()
	for i := range n {
		select {
		case nc := <-conns:
			if len(conns) != 0 || limit.Used() != 1 {
				t.Errorf("%d connections over the limit were accepted, %d places taken", len(conns), limit.Used())
			}
			_ = nc.Close()
			limit.Release()
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d connections were accepted", i, n)
		}
	}
}

// TestAcceptReal: over a real listener, what is above the limit waits in the kernel's queue and is served when there is
// a place.
func TestAcceptReal(t *testing.T) {
	limit, conns := NewLimit(1), make(chan net.Conn, 9)
	addr := listening(t, limit, conns)
	for range 3 {
		connect(t, addr)
	}
	inTurn(t, 3, limit, conns)
}

// TestAcceptHoldsNoPlace: a listener to which nobody comes leaves the place to others, of which no two get it.
func TestAcceptHoldsNoPlace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nobody tells of arrivals here")
	}
	limit, conns := NewLimit(1), make(chan net.Conn, 9)
	one, two := listening(t, limit, conns), listening(t, limit, conns)
	for _, addr := range []string{one, one, two, two} {
		connect(t, addr)
		inTurn(t, 1, limit, conns)
	}
	for range 3 {
		connect(t, one)
		connect(t, two)
	}
	inTurn(t, 6, limit, conns)
	if n := limit.Used(); n != 0 {
		t.Errorf("%d places taken while nobody is there, want 0", n)
	}
}

// A connection to an endpoint leaves the descriptors that clients and everything else still need.
func TestDescriptorsAreKept(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	connect := func(l *Limit) error {
		c, err := Dialer(l)(t.Context(), ln.Addr().String())
		if err == nil {
			c.Close()
		}
		return err
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	next := int(f.Fd()) // the lowest number that is free, once it is closed
	f.Close()
	if err := connect(NewDescriptorLimit(3, next+4)); err != nil {
		t.Errorf("with a descriptor to spare: %v", err)
	}
	full := NewDescriptorLimit(3, next+3)
	if err := connect(full); !errors.Is(err, syscall.EMFILE) || !Exhausted(err) {
		t.Errorf("where three clients may still come: %v, want EMFILE, as if there were no descriptor", err)
	}
	full.take(t.Context())
	if err := connect(full); err != nil {
		t.Errorf("where one of them has come: %v", err)
	}
	for _, l := range []*Limit{nil, NewLimit(3)} {
		if err := connect(l); err != nil {
			t.Errorf("without a bound: %v", err)
		}
	}
}
