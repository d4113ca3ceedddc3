package netio

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// writerPair is a loopback connection whose near end writes through a Writer, over TLS if so wanted.
func writerPair(t *testing.T, secure bool, timeout time.Duration) (*Conn, *Writer, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	s := NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	if !secure {
		c := New(near, s, timeout)
		return c, NewWriter(c), far
	}
	server, client := tls.Server(NewCork(near), serverConfig(t)),
		tls.Client(far, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	shook := make(chan error, 1)
	go func() { shook <- client.Handshake() }()
	if err := errors.Join(server.Handshake(), <-shook); err != nil {
		t.Fatal(err)
	}
	c := New(server, s, timeout)
	return c, NewWriter(c), client
}

func serverConfig(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion: tls.VersionTLS12}
}

// TestWriter writes more than the socket takes: Try does not wait, and nothing is lost or doubled.
func TestWriter(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c, w, far := writerPair(t, secure, 0)
		want := make([]byte, 20<<20)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		left := want
		waits := 0
		got := make(chan []byte, 1)
		var read sync.WaitGroup
		for len(left) > 0 {
			n := min(len(left), 64<<10)
			taken, err := w.Try(left[:n])
			rest := left[taken:n]
			left = left[n:]
			if errors.Is(err, ErrWouldBlock) {
				if waits++; waits == 1 { // only now does anybody read
					read.Go(func() {
						b, _ := io.ReadAll(far)
						got <- b
					})
				}
				err = w.Finish(rest)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if waits == 0 {
			t.Error("the socket was never full")
		}
		c.Close()
		if b := <-got; !bytes.Equal(b, want) {
			t.Errorf("secure %v: %d bytes came, want %d equal ones", secure, len(b), len(want))
		}
		read.Wait()
	}
}

// TestWriterStall: a peer that reads nothing is given up after the write timeout.
func TestWriterStall(t *testing.T) {
	for _, secure := range []bool{false, true} {
		_, w, _ := writerPair(t, secure, 50*time.Millisecond)
		b := make([]byte, 64<<10)
		for {
			n, err := w.Try(b)
			if err == nil {
				continue
			}
			if !errors.Is(err, ErrWouldBlock) {
				t.Fatal(err)
			}
			if err := w.Finish(b[n:]); err != nil {
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("secure %v: Finish: %v, want a timeout", secure, err)
				}
				break
			}
		}
	}
}

// TestCorkWaits: the reader is told before it waits, and not while there is something to read; the end of TLS is said
// on Close.
func TestCorkWaits(t *testing.T) {
	c, w, far := writerPair(t, true, 0)
	waits := 0
	if !w.BeforeWait(func() {
		waits++
		if _, err := w.Try([]byte("answer")); err != nil {
			t.Errorf("Try: %v", err)
		}
	}) {
		t.Fatal("no cork was found")
	}
	if _, err := far.Write([]byte("ask")); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 2)
	go func() {
		b := make([]byte, 100)
		n, _ := far.Read(b)
		answered <- string(b[:n])
		_, _ = far.Write([]byte("more"))
		_, err := far.Read(b)
		for err == nil {
			_, err = far.Read(b)
		}
		answered <- err.Error()
	}()
	b := make([]byte, 100)
	for got := 0; got < len("askmore"); {
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if a := <-answered; a != "answer" || waits == 0 {
		t.Errorf("%q after %d waits", a, waits)
	}
	c.Close()
	if a := <-answered; a != io.EOF.Error() {
		t.Errorf("the peer saw %q, want an orderly end", a)
	}
	if plain, pw, _ := writerPair(t, false, 0); !plain.Plain() || pw.BeforeWait(func() {}) {
		t.Error("a plain socket has no cork")
	}
}
