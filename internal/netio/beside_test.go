package netio

import (
	"net"
	"strconv"
	"testing"
)

// A wider address is bound beside a narrower one that leaves, and only then.
func TestListenBeside(t *testing.T) {
	narrow, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	wide := ":" + strconv.Itoa(narrow.Addr().(*net.TCPAddr).Port)
	if l, err := Listen(t.Context(), wide, nil); err == nil {
		l.Close()
		t.Error("bound beside a listener that does not share")
	}
	l, err := Listen(t.Context(), wide, []*Listener{narrow})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if other, err := net.Listen("tcp", wide); err == nil {
		other.Close()
		t.Error("a third one, which does not share, was bound too")
	}
}
