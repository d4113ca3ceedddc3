package testserver

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports are taken from [lowestPort, highestPort]: above what services use by
// custom, below 32768 where Linux begins to number outgoing connections.
//
// A port looks free before its server listens, and while it is stopped. So each
// process takes a block of ports for itself, and hands out no port of it again
// before the test that has it ends.
const (
	lowestPort  = 10240
	highestPort = 32767
	blockSize   = 512 // more than the servers of one test run
)

// ports are those of this process.
var ports block

// block is a range of ports that one process hands out. The first port of it is
// not handed out: the process that listens there owns the block.
type block struct {
	mu sync.Mutex
	// +checklocks:mu
	owner net.Listener // nil before the first port is asked for; open until the process ends
	// +checklocks:mu
	first int
	// +checklocks:mu
	last int // offset in the block of the port handed out last
	// +checklocks:mu
	given [blockSize]bool // by offset: a test has it
}

// Port returns a port on 127.0.0.1 that is free for TCP and UDP, and that no other test is given
// before t ends. Prefer listening on port 0 where the code under test can. This is for servers that
// must be told a number, or keep it while they are stopped.
func Port(t testing.TB) int {
	t.Helper()
	port, err := ports.next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ports.giveBack(port) })
	return port
}

// Addr is "127.0.0.1:" and a free port.
func Addr(t testing.TB) string {
	t.Helper()
	return loopback(Port(t))
}

// ListenAt listens on an address of Addr's, until the test ends or Release.
func ListenAt(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Release closes what has a port, which is free then: no process that is being started meanwhile has a copy of it. For
// what listens once more on the same port.
func Release(c io.Closer) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return c.Close()
}

// Listen listens on a port of 127.0.0.1 that the kernel picks, until the test ends.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// next is the next free port of the block, which is taken first if there is none yet.
func (b *block) next() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owner == nil {
		if err := b.take(); err != nil {
			return 0, err
		}
	}
	var err error
	for range blockSize {
		b.last = b.last%(blockSize-1) + 1
		if b.given[b.last] {
			continue
		}
		if err = free(b.first + b.last); err == nil {
			b.given[b.last] = true
			return b.first + b.last, nil
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free (the last error: %w)", b.first+1, b.first+blockSize-1, err)
}

func (b *block) giveBack(port int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given[port-b.first] = false
}

// take makes this process the owner of a block that no other one owns.
//
// +checklocks:b.mu
func (b *block) take() error {
	const blocks = (highestPort - lowestPort + 1) / blockSize
	var err error
	for _, i := range rand.Perm(blocks) {
		first := lowestPort + i*blockSize
		if b.owner, err = net.Listen("tcp", loopback(first)); err == nil {
			b.first = first
			return nil
		}
	}
	return fmt.Errorf("none of %d blocks of ports is free: %w", blocks, err)
}

func free(port int) error {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return err
	}
	defer func() { _ = Release(l) }()
	// Consul's gossip wants the same number on both.
	p, err := net.ListenPacket("udp", loopback(port))
	if err != nil {
		return fmt.Errorf("port %d: %w", port, err)
	}
	return Release(p)
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// OneByOne serves connections at the address that it returns, one after the other, and closes each when serve is done.
// It ends with the test.
func OneByOne(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	l := Listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}
