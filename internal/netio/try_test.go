package netio

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// arrives makes TryFirst again until there is something to tell.
func arrives(t *testing.T, c *Conn) (*Buffer, int, error) {
	t.Helper()
	var b *Buffer
	var n int
	var err error
	until(t, "bytes to arrive", func() bool {
		b, n, err = c.TryFirst()
		return !errors.Is(err, ErrWouldBlock)
	})
	return b, n, err
}

func TestTryFirst(t *testing.T) {
	ours, peer := dialled(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	if b, n, err := c.TryFirst(); b != nil || n != 0 || !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("nothing has come: %v, %d, %v", b, n, err)
	}
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b, n, err := arrives(t, c)
	if err != nil || string(b.B[:n]) != "hello" {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	b.Free()
	if _, err := peer.Write([]byte("more")); err != nil { // a read that waits goes on behind
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := c.Read(p); err != nil || string(p[:n]) != "more" {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	_ = peer.CloseWrite()
	if _, _, err := arrives(t, c); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %v", err)
	}
	if _, _, err := c.ReadFirst(); !errors.Is(err, io.EOF) {
		t.Fatalf("a read that waits behind it: %v", err)
	}
}

// A wake-up that is under way is for the read that waits.
func TestTryFirstLeavesInterrupts(t *testing.T) {
	ours, _ := dialled(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	c.Interrupt()
	if _, _, err := c.TryFirst(); !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("TryFirst: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("Read: %v", err)
	}
}

func TestTryWrite(t *testing.T) {
	ours, peer := dialled(t)
	c := New(ours, NewSweeper(), time.Minute)
	defer c.Close()
	if n, err := c.TryWrite([]byte("hello")); n != 5 || err != nil {
		t.Fatalf("TryWrite = %d, %v", n, err)
	}
	big := bytes.Repeat([]byte("x"), 64<<20) // more than sockets hold
	n, err := c.TryWrite(big)
	if n == 0 || n == len(big) || !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("TryWrite of %d bytes = %d, %v", len(big), n, err)
	}
	if c.writeAt.Load() != 0 {
		t.Error("a write that does not wait has set a time for it")
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(big[n : n+1000])
		written <- err
	}()
	got := make([]byte, 5+n+1000)
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, append([]byte("hello"), big[:n+1000]...)) {
		t.Fatalf("the peer has read something else, %v", err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// What is no plain socket never promises anything.
func TestTryOfOtherConnections(t *testing.T) {
	ours, _ := piped(t)
	c := New(ours, NewSweeper(), 0)
	defer c.Close()
	if _, _, err := c.TryFirst(); !errors.Is(err, ErrWouldBlock) {
		t.Errorf("TryFirst: %v", err)
	}
	if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, ErrWouldBlock) {
		t.Errorf("TryWrite = %d, %v", n, err)
	}
}
