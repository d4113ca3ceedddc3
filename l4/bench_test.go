package l4_test

import (
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkSmall is a message of 130 bytes there and back; the client and the server are in its figures.
func BenchmarkSmall(b *testing.B) {
	g := start(b, to([]string{backend(b, echo)}, ""))
	c := g.dial("in")
	_ = c.SetDeadline(time.Time{})
	message := make([]byte, 130)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBulk moves blocks of 128 KiB one way.
func BenchmarkBulk(b *testing.B) {
	g := start(b, to([]string{backend(b, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, c)
	})}, ""))
	c := g.dial("in")
	_ = c.SetDeadline(time.Time{})
	block := make([]byte, 128<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnect is a whole connection with one small message.
func BenchmarkConnect(b *testing.B) {
	g := start(b, to([]string{backend(b, echo)}, ""))
	addr := g.addr("in")
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			b.Fatal(err)
		}
		reset(c.(*net.TCPConn)) // or the ports run out
	}
}
