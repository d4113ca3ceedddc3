package l4_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestForward(t *testing.T) {
	testserver.Goroutines(t)
	g := start(t, to([]string{backend(t, echo)}, ""))
	c := g.dial("in")
	send(t, c, "hello")
	expect(t, c, "hello")
	send(t, c, "again")
	expect(t, c, "again")
	c.CloseWrite()
	expectEnd(t, c)
	l := g.wantFlag(telemetry.NoFlag)
	if l.Listener != "in" || l.Cluster != "out" || l.RemoteIP != "127.0.0.1" || l.BytesRead != 10 ||
		l.BytesWritten != 10 || l.Attempts != 1 || l.Endpoint == "" || l.Upstream == nil {
		t.Errorf("line %+v", l)
	}
	tele := g.Registry.Listener("in", telemetry.L4)
	if n := tele.Tunnel("out").ToUpstream.Load(); n != 10 {
		t.Errorf("gateway.l4.io upstream is %d", n)
	}
	if n := tele.Tunnel("out").ToDownstream.Load(); n != 10 {
		t.Errorf("gateway.l4.io downstream is %d", n)
	}
	if tele.Accepted.Load() != 1 {
		t.Errorf("accepted %d", tele.Accepted.Load())
	}
	testserver.WaitFor(t, patience, "the end of the connection",
		func() bool { return g.open("in") == 0 && g.Limit.Used() <= 1 })
}

// The client ends first and still gets its answer; then the other way round.
func TestHalfClose(t *testing.T) {
	addr, conns := hand(t)
	g := start(t, to([]string{addr}, ""))

	c := g.dial("in")
	send(t, c, "question")
	c.CloseWrite()
	s := next(t, conns)
	expect(t, s, "question")
	expectEnd(t, s)
	send(t, s, "late answer")
	s.CloseWrite()
	expect(t, c, "late answer")
	expectEnd(t, c)
	g.wantFlag(telemetry.NoFlag)

	c = g.dial("in")
	s = next(t, conns)
	send(t, s, "greeting")
	s.CloseWrite()
	expect(t, c, "greeting")
	expectEnd(t, c)
	send(t, c, "late words")
	c.CloseWrite()
	expect(t, s, "late words")
	expectEnd(t, s)
	if l := g.lines(2)[1]; l.Flag != "" {
		t.Errorf("flag %q", l.Flag)
	}
}

// A server that speaks first, as MySQL and SMTP do.
func TestServerSpeaksFirst(t *testing.T) {
	g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "220 ready\r\n")
		echo(c)
	})}, ""))
	c := g.dial("in")
	expect(t, c, "220 ready\r\n")
	send(t, c, "HELO\r\n")
	expect(t, c, "HELO\r\n")
}

func TestReset(t *testing.T) {
	for _, row := range []struct {
		name string
		flag telemetry.Flag
		cut  func(client, server *net.TCPConn)
		see  func(client, server *net.TCPConn) *net.TCPConn
	}{
		{"client", telemetry.DC, func(c, _ *net.TCPConn) { reset(c) },
			func(_, s *net.TCPConn) *net.TCPConn { return s }},
		{"upstream", telemetry.UC, func(_, s *net.TCPConn) { reset(s) },
			func(c, _ *net.TCPConn) *net.TCPConn { return c }},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr, conns := hand(t)
			g := start(t, to([]string{addr}, ""))
			c := g.dial("in")
			s := next(t, conns)
			send(t, c, "ping")
			expect(t, s, "ping")
			send(t, s, "pong")
			expect(t, c, "pong")
			row.cut(c, s)
			var b [1]byte
			if _, err := row.see(c, s).Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other side read %v, want a reset", err)
			}
			g.wantFlag(row.flag)
		})
	}
}

// A side that has ended its direction and then resets is gone. That holds also while the other one sends nothing and
// waits for as long as it takes.
func TestResetAfterTheEnd(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Leaf(t, testcert.Leaf{DNS: []string{"gw.example"}}).Write(t, t.TempDir(), "gw")
	type halfCloser interface {
		io.ReadWriter
		CloseWrite() error
	}
	for _, row := range []struct {
		name     string
		keys     string
		upstream bool // it ends, not the client
		flag     telemetry.Flag
	}{
		{"client", "", false, telemetry.DC},
		{"client under TLS", fmt.Sprintf(", tls: {certificates: [{cert_file: %s, key_file: %s}]}", cert, key), false,
			telemetry.DC},
		{"upstream", "", true, telemetry.UC},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr, conns := hand(t)
			g := start(t, to([]string{addr}, "idle_timeout: 0s"+row.keys))
			client := g.dial("in")
			var c halfCloser = client
			if row.keys != "" {
				c = tls.Client(client, &tls.Config{ServerName: "gw.example", RootCAs: ca.Pool()})
			}
			send(t, c, "ping")
			server := next(t, conns)
			expect(t, server, "ping")
			ends, waits, ended := c, halfCloser(server), client
			if row.upstream {
				ends, waits, ended = waits, ends, server
			}
			if err := ends.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			expectEnd(t, waits)
			reset(ended)
			if l := g.wantFlag(row.flag); l.Duration > 5000 {
				t.Errorf("noticed after %v ms", l.Duration)
			}
			if n := g.Clusters["out"].InFlight(); n != 0 {
				t.Errorf("%d leases are held", n)
			}
			testserver.WaitFor(t, patience, "the other side to be reset", func() bool {
				_, err := waits.Write([]byte("x"))
				return err != nil
			})
		})
	}
}

// A reset that meets us writing is a reset too, and never looks like an end.
func TestResetWhileWriting(t *testing.T) {
	for range 20 {
		g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
			_, _ = io.CopyN(io.Discard, c, 100_000)
			reset(c)
		})}, ""))
		c := g.dial("in")
		_ = c.SetWriteBuffer(1 << 20) // takes all, so that the error is left for the read
		send(t, c, strings.Repeat("x", 400_000))
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("read %v, want a reset", err)
		}
		g.wantFlag(telemetry.UC)
		g.Drain(patience)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Both directions at once, in amounts that change between buffers and splice.
func TestBothWays(t *testing.T) {
	const total = 64 << 20
	sums := make(chan [32]byte, 2)
	stream := func(w io.WriteCloser, seed uint64) [32]byte {
		h := sha256.New()
		r := rand.New(rand.NewPCG(seed, 0))
		block := make([]byte, 256<<10)
		for i := range block {
			block[i] = byte(r.Uint32())
		}
		for left := total; left > 0; {
			n := min(left, 1+r.IntN(len(block)))
			if r.IntN(4) == 0 {
				n = min(left, 1+r.IntN(200))
			}
			block[r.IntN(len(block))]++
			h.Write(block[:n])
			if _, err := w.Write(block[:n]); err != nil {
				t.Errorf("write: %v", err)
				break
			}
			left -= n
		}
		return [32]byte(h.Sum(nil))
	}
	serve := func(c *net.TCPConn, seed uint64) (sent, got [32]byte) {
		var wg sync.WaitGroup
		wg.Go(func() {
			sent = stream(c, seed)
			c.CloseWrite()
		})
		h := sha256.New()
		if n, err := io.Copy(h, c); err != nil || n != total {
			t.Errorf("got %d bytes, %v", n, err)
		}
		wg.Wait()
		return sent, [32]byte(h.Sum(nil))
	}
	g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		sent, got := serve(c, 1)
		sums <- sent
		sums <- got
	})}, ""))
	c := g.dial("in")
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	sent, got := serve(c, 2)
	if serverSent, serverGot := <-sums, <-sums; sent != serverGot || got != serverSent {
		t.Error("checksums differ")
	}
	if l := g.wantFlag(telemetry.NoFlag); l.BytesRead != total || l.BytesWritten != total {
		t.Errorf("line %+v", l)
	}
}

// A reader that does not read holds the writer up; what is held meanwhile is bounded, and nothing is lost.
func TestSlowReader(t *testing.T) {
	addr, conns := hand(t)
	g := start(t, to([]string{addr}, ""))
	const many = 8
	var readers []*net.TCPConn
	sent := make([]int64, many)
	var writers sync.WaitGroup
	for i := range many {
		c := g.dial("in")
		s := next(t, conns)
		writers.Go(func() {
			_ = s.SetWriteDeadline(time.Now().Add(2 * time.Second)) // long after everything on the way is full
			sent[i], _ = io.Copy(s, zeros{})
			s.CloseWrite()
		})
		readers = append(readers, c)
	}
	writers.Wait()
	var heap = heapInUse()
	if heap > 64<<20 {
		t.Errorf("%d MiB of heap behind %d stalled readers", heap>>20, many)
	}
	for i, c := range readers {
		n, err := io.Copy(io.Discard, c)
		if err != nil || n != sent[i] {
			t.Errorf("got %d of %d bytes, %v", n, sent[i], err)
		}
		if n > 64<<20 {
			t.Errorf("%d MiB were taken from the writer: nothing held it up", n>>20)
		}
	}
}

func banner(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.WriteString(c, text)
		echo(c)
	}
}

func TestManySmallMessages(t *testing.T) {
	g := start(t, to([]string{backend(t, echo)}, ""))
	c := g.dial("in")
	for i := range 1000 {
		text := fmt.Sprintf("message %d %s", i, bytes.Repeat([]byte("x"), i))
		send(t, c, text)
		expect(t, c, text)
	}
}
