package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// spliced is a Splicer between two sockets: what feed writes comes out at sink.
type spliced struct {
	*Splicer
	pipes      *Pipes
	feed, sink *net.TCPConn
	from, to   *Conn
}

func newSpliced(t *testing.T, writeTimeout time.Duration) *spliced {
	t.Helper()
	testserver.Goroutines(t)
	sweeper := sweeping(t)
	s := &spliced{pipes: NewPipes(nil)}
	t.Cleanup(s.pipes.Close)
	var a, b *net.TCPConn
	a, s.feed = dialled(t)
	b, s.sink = dialled(t)
	s.from, s.to = New(a, sweeper, 0), New(b, sweeper, writeTimeout)
	t.Cleanup(func() { _, _ = s.from.Abort(), s.to.Abort() })
	s.Splicer = NewSplicer(s.pipes)
	return s
}

// send has feed write b, and waits until the gateway's end has some of it.
func (s *spliced) send(t *testing.T, b []byte) {
	t.Helper()
	go func() { _, _ = s.feed.Write(b) }()
	until(t, "bytes have come", func() bool { return !s.from.Quiet() })
}

// All bytes arrive, and those behind them stay where they are.
func TestSpliceMovesWhatItIsTold(t *testing.T) {
	s := newSpliced(t, time.Hour)
	all := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() { _, _ = s.feed.Write(append(all, "behind"...)) }()
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(s.sink)
		got <- b
	}()
	for left := int64(len(all)); left > 0; {
		n, err := s.Fill(s.from, left)
		if err != nil || n == 0 || int64(n) > left {
			t.Fatalf("filled %d of %d, %v", n, left, err)
		}
		if m, err := s.Drain(s.to); m != n || err != nil {
			t.Fatalf("drained %d of %d, %v", m, n, err)
		}
		left -= int64(n)
	}
	s.End()
	if s.pipes.Made() != 1 || s.pipes.Spare() != 1 {
		t.Errorf("%d pipes, %d spare; want 1 and 1", s.pipes.Made(), s.pipes.Spare())
	}
	_ = s.to.CloseWrite()
	if b := <-got; !bytes.Equal(b, all) {
		t.Errorf("%d bytes arrived, which are not the %d that were sent", len(b), len(all))
	}
	b := make([]byte, 10)
	if n, err := s.from.Read(b); string(b[:n]) != "behind" || err != nil {
		t.Errorf("behind them came %q, %v", b[:n], err)
	}
}

// A wait for the source is as that of a Read, and holds no pipe.
func TestSpliceWaits(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(*spliced)
		want error
	}{
		{"deadline", func(s *spliced) { s.from.SetReadDeadline(s.from.Now() + int64(2*Period)) }, ErrTimeout},
		{"interrupt", func(s *spliced) { s.from.Interrupt() }, ErrInterrupted},
		{"end", func(s *spliced) { _ = s.feed.CloseWrite() }, io.EOF},
		{"close", func(s *spliced) { _ = s.from.Close() }, net.ErrClosed},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSpliced(t, time.Hour)
			s.send(t, make([]byte, 100))
			if n, err := s.Fill(s.from, 100); n != 100 || err != nil {
				t.Fatal(n, err)
			}
			if n, err := s.Drain(s.to); n != 100 || err != nil {
				t.Fatal(n, err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.Fill(s.from, 100)
				done <- err
			}()
			until(t, "the pipe is given back", func() bool { return s.pipes.Spare() == 1 })
			row.do(s)
			if err := <-done; !errors.Is(err, row.want) {
				t.Errorf("error %v, want %v", err, row.want)
			}
			s.End()
		})
	}
}

// A destination that takes nothing more ends the transfer after the write timeout. The pipe is lost.
func TestSpliceStalls(t *testing.T) {
	const timeout = 2 * Period
	s := newSpliced(t, timeout)
	go func() { _, _ = s.feed.Write(make([]byte, large)) }()
	var err error
	var begun int64
	for err == nil {
		if _, err = s.Fill(s.from, large); err == nil {
			begun = s.to.Now()
			_, err = s.Drain(s.to)
		}
	}
	if took := time.Duration(s.to.Now() - begun); !errors.Is(err, ErrTimeout) || took < timeout {
		t.Errorf("error %v after %v, want ErrTimeout after %v", err, took, timeout)
	}
	s.End()
	if n := s.pipes.Made(); n != 0 {
		t.Errorf("%d pipes are left, one with bytes in it", n)
	}
}

// Where a splice cannot be, or is not worth it, nothing is moved.
func TestNoSplice(t *testing.T) {
	t.Run("small pieces", func(t *testing.T) {
		s := newSpliced(t, time.Hour)
		for i := range fewPieces {
			s.send(t, []byte("small"))
			if n, err := s.Fill(s.from, large); n != 5 || err != nil {
				t.Fatalf("piece %d: %d, %v", i, n, err)
			}
			if _, err := s.Drain(s.to); err != nil {
				t.Fatal(err)
			}
		}
		s.send(t, []byte("small"))
		if _, err := s.Fill(s.from, large); !errors.Is(err, ErrNoSplice) {
			t.Errorf("error %v, want ErrNoSplice", err)
		}
		(<-reading(s.from)).wantBytes(t, 5)
		s.End()
	})
	t.Run("no pipe", func(t *testing.T) {
		s := newSpliced(t, time.Hour)
		var taken []*Pipe
		for range maxPipes {
			taken = append(taken, s.pipes.Take())
		}
		s.send(t, []byte("bytes"))
		if _, err := s.Fill(s.from, 5); !errors.Is(err, ErrNoSplice) {
			t.Errorf("error %v, want ErrNoSplice", err)
		}
		(<-reading(s.from)).wantBytes(t, 5)
		s.End()
		for _, p := range taken {
			s.pipes.Put(p)
		}
	})
	t.Run("no descriptors", func(t *testing.T) {
		pipes := NewPipes(NewDescriptorLimit(1, 2)) // one is for a client that may come
		if pipes.Take() != nil || pipes.Made() != 0 {
			t.Error("a pipe was made of descriptors that are kept for others")
		}
	})
	t.Run("TLS", func(t *testing.T) {
		ours, _ := encrypted(t)
		c := New(ours, NewSweeper(), 0)
		defer c.Close()
		s := NewSplicer(NewPipes(nil))
		if _, err := s.Fill(c, 1); !errors.Is(err, ErrNoSplice) {
			t.Errorf("error %v, want ErrNoSplice", err)
		}
		s.End()
	})
}
