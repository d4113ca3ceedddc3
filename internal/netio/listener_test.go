package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lateListener has one connection, which comes once the listener was given a deadline.
type lateListener struct {
	net.Listener
	conns  chan net.Conn
	closed bool
}

func (l *lateListener) Accept() (net.Conn, error) {
	if c := <-l.conns; c != nil {
		return c, nil
	}
	return nil, os.ErrDeadlineExceeded
}

func (l *lateListener) SetDeadline(at time.Time) error {
	ours, _ := net.Pipe()
	l.conns <- ours
	time.AfterFunc(time.Until(at), func() { close(l.conns) })
	return nil
}

func (l *lateListener) Close() error { l.closed = true; return nil }

// What has connected when a listener is closed is accepted, and then no more.
func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &lateListener{conns: make(chan net.Conn, 1)}
		l, limit, served := NewListener(ln), NewLimit(10), 0
		l.Start(t.Context(), limit, func(net.Conn) { served++ }, func(err error) { t.Error(err) })
		synctest.Wait()
		begun := time.Now()
		l.Close()
		if took := time.Since(begun); served != 1 || limit.Used() != 1 || !ln.closed || took != lastCall {
			t.Errorf("served %d, %d places taken, closed %v after %v; want 1, 1, true, %v", served, limit.Used(),
				ln.closed, took, lastCall)
		}
	})
}

// A listener that never began is closed too.
func TestListenerNotStarted(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("what is closed can be connected to")
	}
}

// The second handle goes on where the first was closed, with what has connected meanwhile.
func TestListenerShare(t *testing.T) {
	first, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	second := first.Share()
	first.Close()
	if second == nil {
		t.Fatal("a socket is not shared")
	}
	c, err := net.Dial("tcp", second.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	second.Start(t.Context(), NewLimit(1), func(nc net.Conn) {
		_, _ = io.WriteString(nc, "hi")
		nc.Close()
	}, func(err error) { t.Error(err) })
	defer second.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(c); string(b) != "hi" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if NewListener(&lateListener{}).Share() != nil {
		t.Error("shares what is no socket")
	}
}

// A panic while a connection is handed over ends that connection alone.
func TestListenerPanic(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	limit, broken, reports := NewLimit(1), true, make(chan error, 1)
	l.Start(t.Context(), limit, func(nc net.Conn) {
		defer nc.Close()
		if broken {
			broken = false
			panic("a bug of ours")
		}
		_, _ = io.WriteString(nc, "hi")
		limit.Release()
	}, func(err error) { reports <- err })
	defer l.Close()
	for _, want := range []string{"", "hi"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if b, _ := io.ReadAll(c); string(b) != want {
			t.Errorf("read %q, want %q", b, want)
		}
	}
	err = <-reports
	if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "a bug of ours" ||
		!strings.HasPrefix(string(p.Stack), "goroutine ") {
		t.Errorf("reported %v", err)
	}
}
