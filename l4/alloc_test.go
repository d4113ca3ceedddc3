//go:build !race

package l4_test

import (
	"io"
	"testing"
)

// A message that is passed on allocates nothing. (The race detector makes pools forget.)
func TestMessageAllocates(t *testing.T) {
	g := start(t, to([]string{backend(t, echo)}, ""))
	c := g.dial("in")
	message := make([]byte, 130)
	exchange := func() {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	if n := testing.AllocsPerRun(500, exchange); n > 0 {
		t.Errorf("%v allocations a message", n)
	}
}
