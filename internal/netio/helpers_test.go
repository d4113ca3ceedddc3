package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// sweeping makes a sweeper and runs it until the test ends.
func sweeping(t testing.TB) *Sweeper {
	t.Helper()
	s := NewSweeper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return s
}

// dialled returns the two ends of a TCP connection; both are closed when the test ends.
func dialled(t testing.TB) (ours, peer *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// accepted returns the two ends of a TCP connection, ours as a Listener hands it out. The peer is closed when the test
// ends.
func accepted(t testing.TB) (ours, peer net.Conn) {
	t.Helper()
	l, err := Listen(context.Background(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 1)
	l.Start(context.Background(), NewLimit(1), func(nc net.Conn) { conns <- nc }, func(err error) { t.Error(err) })
	defer l.Close()
	peer, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours = <-conns
	t.Cleanup(func() { _, _ = ours.Close(), peer.Close() })
	return ours, peer
}

// piped returns the two ends of an in-memory connection; both are closed when the test ends.
func piped(t testing.TB) (ours, peer net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// encrypted returns the two ends of a TLS connection over TCP, and the sockets under them.
func encrypted(t testing.TB) (ours, peer *tls.Conn) {
	t.Helper()
	a, b := dialled(t)
	server, client := tlsConfigs()
	ours, peer = tls.Server(a, server), tls.Client(b, client)
	var shaken sync.WaitGroup
	shaken.Go(func() {
		if err := ours.HandshakeContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := peer.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	shaken.Wait()
	return ours, peer
}

// tlsConfigs are the configurations of net/http's test server and its client.
var tlsConfigs = sync.OnceValues(func() (server, client *tls.Config) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	client = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return srv.TLS, client
})

// wait lets d pass, in a synctest bubble without anybody noticing.
func wait(d time.Duration) { <-time.After(d) }

// until waits for what another goroutine, or the kernel, is about to make true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// result is what a call in another goroutine returned.
type result struct {
	n   int
	err error
}

// reading reads once in another goroutine.
func reading(c *Conn) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := c.Read(make([]byte, 64))
		done <- result{n, err}
	}()
	return done
}

// wantErr fails the test unless the call has failed as it should.
func (r result) wantErr(t testing.TB, want error) {
	t.Helper()
	if r.n != 0 || !errors.Is(r.err, want) {
		t.Fatalf("got %d bytes and %v, want %v", r.n, r.err, want)
	}
}

// wantBytes fails the test unless the call has succeeded with n bytes.
func (r result) wantBytes(t testing.TB, n int) {
	t.Helper()
	if r.n != n || r.err != nil {
		t.Fatalf("got %d bytes and %v, want %d", r.n, r.err, n)
	}
}

// kinds are the connections that every promise is tried on.
var kinds = []struct {
	name string
	make func(t testing.TB) (ours, peer net.Conn)
}{
	{"tcp", func(t testing.TB) (net.Conn, net.Conn) { return dialled(t) }},
	{"accepted", accepted},
	{"tls", func(t testing.TB) (net.Conn, net.Conn) { return encrypted(t) }},
	{"pipe", piped},
}
