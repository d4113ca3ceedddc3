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

// A port that a test has is not handed out again, also where nobody listens there; one that was given back is.
func TestPortsOfATest(t *testing.T) {
	var b block
	first, err := b.next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.release)
	again := 0
	for range 2 * blockSize {
		port, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		b.giveBack(port)
		if port == first {
			again++
		}
	}
	if again > 0 {
		t.Errorf("port %d was handed out %d times more", first, again)
	}
	b.giveBack(first)
	for range blockSize {
		port, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		b.giveBack(port)
		if port == first {
			return
		}
	}
	t.Errorf("port %d was never handed out again", first)
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
