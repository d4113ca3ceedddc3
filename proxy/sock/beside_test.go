package sock

import (
	"net"
	"strconv"
	"testing"
)

// A wider address is bound beside a narrower one that is given, and only then.
func TestListenBeside(t *testing.T) {
	narrow, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	wide := ":" + strconv.Itoa(narrow.Addr().(*net.TCPAddr).Port)
	if ln, err := ListenBeside(t.Context(), wide, nil); err == nil {
		ln.Close()
		t.Error("bound beside a listener that does not share")
	}
	ln, err := ListenBeside(t.Context(), wide, []net.Listener{narrow})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if other, err := net.Listen("tcp", wide); err == nil {
		other.Close()
		t.Error("a third one, which does not share, was bound too")
	}
}
