package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
)

// ports are the addresses of one proxy.
type ports struct{ H1, TLS, MTLS, H2C, L4, Bulk, Admin, Unused string }

// backends are the addresses behind all proxies.
type backends struct{ Backend, BackendMTLS, Server, Sink, GRPC string }

// A run takes a block of ports for itself, as the project's tests do: whoever listens on the first one owns the others.
// They are below those that Linux gives to outgoing connections, since a proxy stops and starts between the load of
// others.
const (
	lowestPort, highestPort = 10240, 32767
	blockSize               = 512
)

// block is the run's own.
type block struct {
	owner net.Listener
	last  int // the port given away last
}

func takeBlock() (*block, error) {
	var err error
	for _, i := range rand.Perm((highestPort - lowestPort + 1) / blockSize) {
		first := lowestPort + i*blockSize
		ln, failed := net.Listen("tcp", loopback(first))
		if failed == nil {
			return &block{owner: ln, last: first}, nil
		}
		err = failed
	}
	return nil, fmt.Errorf("no block of ports from %d to %d is free: %w", lowestPort, highestPort, err)
}

// allot gives each field of a struct of strings a free address.
func (b *block) allot(addresses any) error {
	for _, field := range reflect.ValueOf(addresses).Elem().Fields() {
		for field.Len() == 0 {
			b.last++
			if b.last%blockSize == 0 {
				return fmt.Errorf("no port is free below %d", b.last)
			}
			if ln, err := net.Listen("tcp", loopback(b.last)); err == nil {
				ln.Close()
				field.SetString(loopback(b.last))
			}
		}
	}
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
