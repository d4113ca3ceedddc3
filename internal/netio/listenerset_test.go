package netio

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

// spoken is the settings of a test's listeners: what each says to who connects.
type spoken string

func speaking(t *testing.T, inherit func(string) *Listener) *ListenerSet[spoken] {
	t.Helper()
	limit := NewLimit(100)
	ctx, cancel := context.WithCancel(t.Context())
	s := NewListenerSet(ctx, ListenerSetOptions[spoken]{
		Limit: limit, Inherit: inherit,
		Same: func(a, b string) bool {
			return strings.Replace(a, "0.0.0.0:", ":", 1) == strings.Replace(b, "0.0.0.0:", ":", 1)
		},
		Serve: func(b *Bound[spoken], nc net.Conn) {
			_, _ = nc.Write([]byte(*b.Settings())) // a test reads it, or does not care
			_ = nc.Close()
			limit.Release()
		},
		Report: func(_ *Bound[spoken], err error) { t.Error(err) },
	})
	t.Cleanup(func() { s.Close(); cancel() })
	return s
}

// want is a document's listeners, as "name address text"; without a text they are another plane's.
func want(listeners ...string) (all []Wanted[spoken]) {
	for _, l := range listeners {
		f := strings.Fields(l)
		w := Wanted[spoken]{Name: f[0], Address: f[1]}
		if len(f) > 2 {
			text := spoken(f[2])
			w.Settings = &text
		}
		all = append(all, w)
	}
	return all
}

func (s *ListenerSet[S]) commit(t *testing.T, all []Wanted[S]) {
	t.Helper()
	p, err := s.Prepare(all)
	if err != nil {
		t.Fatal(err)
	}
	p.Update()
	p.Serve()
}

// says connects and returns what it is told.
func says(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "nobody"
	}
	defer c.Close()
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return string(b[:n])
}

func (s *ListenerSet[S]) addr(match func(*S) bool) string {
	b := s.Find(match)
	if b == nil {
		return ""
	}
	return b.Addr().String()
}

func TestListenerSet(t *testing.T) {
	s := speaking(t, nil)
	of := func(text spoken) string { return s.addr(func(set *spoken) bool { return *set == text }) }
	s.commit(t, want("a 127.0.0.1:0 one", "b 127.0.0.1:0 two"))
	a, b := of("one"), of("two")
	if a == b || says(t, a) != "one" || says(t, b) != "two" {
		t.Fatalf("%s says %q, %s says %q", a, says(t, a), b, says(t, b))
	}
	// One stays, and says something else; one goes.
	s.commit(t, want("a 127.0.0.1:0 three"))
	if of("three") != a || says(t, a) != "three" || says(t, b) != "nobody" {
		t.Errorf("%s says %q, %s says %q", a, says(t, a), b, says(t, b))
	}
	// An address that was free is bound, and found however it is written.
	s.commit(t, want("a 127.0.0.1:0 three", "c "+b+" four"))
	if says(t, b) != "four" || s.Share("127.0.0.1:0") != nil || s.Share("127.0.0.1:1") != nil {
		t.Errorf("%s says %q", b, says(t, b))
	}
	other := s.Share(b)
	if other == nil {
		t.Fatal("it is not shared")
	}
	defer other.Close()
	// A revision that cannot be prepared changes nothing, nor does one that is given up.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = s.Prepare(want("d 127.0.0.1:0 five", "x "+taken.Addr().String()+" six"))
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), `listener "x"`) {
		t.Errorf("error %v", err)
	}
	p, err := s.Prepare(want("d 127.0.0.1:0 five"))
	if err != nil {
		t.Fatal(err)
	}
	p.Abort()
	if says(t, a) != "three" || says(t, b) != "four" || of("five") != "" {
		t.Error("what serves has changed")
	}
	// Another plane takes an address over: here it is served no more, and there without a gap.
	heard := ""
	second := speaking(t, func(address string) *Listener { heard = address; return s.Share(address) })
	q, err := second.Prepare(want("a 127.0.0.1:0", "c "+b+" seven"))
	if err != nil {
		t.Fatal(err)
	}
	s.commit(t, want("a 127.0.0.1:0 three", "c "+b))
	q.Update()
	q.Serve()
	if got := says(t, b); got != "seven" || heard != b {
		t.Errorf("it says %q, asked for %q", got, heard)
	}
}
