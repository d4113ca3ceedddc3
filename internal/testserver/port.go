package testserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from [lowestPort, highestPort]: above what services use by
// custom, below 32768 where Linux begins to number outgoing connections.
const (
	lowestPort  = 10240
	highestPort = 32767
)

// Port returns a port on 127.0.0.1 that is free for TCP and UDP now. Prefer
// listening on port 0 where the code under test can; this is for servers that
// must be told a number, or keep it while they are stopped.
func Port(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		if err = free(port); err == nil {
			return port
		}
	}
	t.Fatalf("no free port after 100 tries: %v", err)
	return 0
}

// Addr is "127.0.0.1:" and a free port.
func Addr(t testing.TB) string {
	t.Helper()
	return loopback(Port(t))
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

func free(port int) error {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return err
	}
	defer l.Close()
	// Consul's gossip wants the same number on both.
	p, err := net.ListenPacket("udp", loopback(port))
	if err != nil {
		return fmt.Errorf("port %d: %w", port, err)
	}
	return p.Close()
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
