package l4_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/l4"
)

// descriptors is how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(all)
}

// Connections of all kinds come and go: what they held is given back.
func TestChurn(t *testing.T) {
	testserver.Goroutines(t)
	big := strings.Repeat("0123456789abcdef", 32<<10) // long enough for splice
	g := start(t, to([]string{backend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "hi")
		echo(c)
	}), dead(t)}, ""))
	before := descriptors(t)
	const each, workers = 250, 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				c, err := net.Dial("tcp", g.addr("in"))
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(patience))
				switch tc := c.(*net.TCPConn); (w + i) % 5 {
				case 0: // as it should be
					_, _ = io.WriteString(c, "hello")
					tc.CloseWrite()
					if b, err := io.ReadAll(c); string(b) != "hihello" || err != nil {
						t.Errorf("got %q, %v", b, err)
					}
				case 1: // gone at once
				case 2: // reset
					reset(tc)
				case 3: // gone in the middle
					_, _ = io.ReadFull(c, make([]byte, 2))
				case 4: // bulk, left unread every other time
					go func() {
						_, _ = io.WriteString(c, big)
						tc.CloseWrite()
					}()
					if i%2 == 0 {
						if n, err := io.Copy(io.Discard, c); n != int64(len(big))+2 || err != nil {
							t.Errorf("got %d bytes, %v", n, err)
						}
					}
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	// The kernel may still hold connections that the gateway has not accepted: only the lines tell that each has ended.
	if n := len(g.lines(each * workers)); n != each*workers {
		t.Errorf("%d lines, want %d", n, each*workers)
	}
	testserver.WaitFor(t, patience, "all connections to end", func() bool { return g.open("in") == 0 })
	testserver.WaitFor(t, patience, "descriptors to be given back", func() bool {
		return descriptors(t) <= before+2*64 // pipes are kept
	})
	if n := g.Clusters["out"].InFlight(); n != 0 {
		t.Errorf("%d leases are held", n)
	}
	g.Drain(patience)
	testserver.WaitFor(t, patience, "pipes to be closed", func() bool {
		runtime.GC() // the endpoints' own pipes are in a pool of package net, which only the collector empties
		return descriptors(t) <= before
	})
	if used := g.Limit.Used(); used != 0 {
		t.Errorf("%d places of the limit are taken", used)
	}
	if n := len(g.lines(each * workers)); n != each*workers {
		t.Errorf("%d lines after the drain, want %d", n, each*workers)
	}
}

// childLimit is the child's limit of descriptors.
const childLimit = 80

// Where descriptors run out the accept loop waits, tells, and goes on when there are some again. The gateway is a
// process of its own for that.
func TestOutOfDescriptors(t *testing.T) {
	if os.Getenv("L4_TEST_ENDPOINT") != "" {
		childGateway(t)
		return
	}
	if testing.Short() {
		t.Skip("starts a process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
	cmd.Env = append(os.Environ(), "L4_TEST_ENDPOINT="+backend(t, banner("in")))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer in.Close() // which ends the child
	var addr string
	for word := ""; word != "listening"; {
		if _, err := fmt.Fscan(out, &word); err != nil {
			t.Fatalf("the child has ended: %v", err)
		}
	}
	if _, err := fmt.Fscan(out, &addr); err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for len(conns) < 2*childLimit {
		c, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNRESET) {
			continue // for want of a second descriptor, so soon that connecting fails with it
		}
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for word := ""; word != "EMFILE"; {
		if _, err := fmt.Fscan(out, &word); err != nil {
			t.Fatalf("the child has ended: %v", err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	// Those that were still in the kernel's queue take their turn first, and until they have gone descriptors may be
	// short.
	testserver.WaitFor(t, patience, "a connection to be served again", func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		b := make([]byte, 2)
		_, err = io.ReadFull(c, b)
		return err == nil && string(b) == "in"
	})
}

// childGateway serves until its standard input ends.
func childGateway(t *testing.T) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: childLimit, Max: childLimit}); err != nil {
		t.Fatal(err)
	}
	told := &teller{}
	g := start(t, to([]string{os.Getenv("L4_TEST_ENDPOINT")}, ""), func(o *l4.Options) {
		o.Logger = hclog.New(&hclog.LoggerOptions{Output: told})
	})
	fmt.Printf("\nlistening %s\n", g.addr("in"))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// teller says EMFILE once the log does.
type teller struct{ sync.Once }

func (t *teller) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "too many open files") && strings.Contains(string(b), "accept") {
		t.Do(func() { fmt.Printf("\nEMFILE\n") })
	}
	return len(b), nil
}
