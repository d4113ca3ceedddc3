package forward

import (
	"fmt"
	"net"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// What is missing of a body decides whether its next piece is spliced. A body of which a piece was spliced is not given
// up for its last kilobytes.
func TestWorthASplice(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	conn := netio.New(socket, netio.NewSweeper(), 0)
	lim := http1.DefaultLimits()
	for _, tt := range []struct {
		missing     int
		begun, want bool
	}{
		{128<<10 - 1, false, false}, {128 << 10, false, true},
		{8<<10 - 1, true, false}, {8 << 10, true, true}, {0, true, false},
	} {
		var head message.Head
		text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", tt.missing)
		if err := http1.ParseResponse([]byte(text), &head, &lim, false); err != nil {
			t.Fatal(err)
		}
		var body http1.Body
		new(http1.Reader).Body(&body, &head)
		s := splicing{from: &body, to: &http1.Writer{Conn: conn}}
		if tt.begun {
			s.s = netio.NewSplicer(nil)
			defer s.end()
		}
		if got := s.worth(); got != tt.want {
			t.Errorf("%d bytes are missing, begun %v: worth = %v, want %v", tt.missing, tt.begun, got, tt.want)
		}
	}
	s := splicing{to: &http1.Writer{Conn: conn}}
	if s.worth() {
		t.Error("a way without a body is worth a splice")
	}
}
