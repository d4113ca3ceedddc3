package testserver

import (
	"net"
	"testing"
)

func TestPortsAreHandedOutOnce(t *testing.T) {
	var one, other block
	t.Cleanup(one.release)
	t.Cleanup(other.release)
	seen := map[int]bool{}
	for range 200 {
		for _, b := range []*block{&one, &other} {
			port, err := b.next()
			if err != nil {
				t.Fatal(err)
			}
			if seen[port] {
				t.Fatalf("port %d was handed out twice", port)
			}
			seen[port] = true
		}
	}
}

func TestPortThatIsInUse(t *testing.T) {
	var b block
	before, err := b.next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.release)
	l, err := net.Listen("tcp", loopback(before+1))
	if err != nil {
		t.Skipf("somebody else has the port: %v", err)
	}
	defer l.Close()
	if port, err := b.next(); err != nil || port == before+1 {
		t.Errorf("next port %d, %v; want one that is not in use", port, err)
	}
}

func (b *block) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owner != nil {
		b.owner.Close()
	}
}
