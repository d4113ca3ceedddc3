package forward

import (
	"net"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

func TestKeepFor(t *testing.T) {
	for field, want := range map[string]time.Duration{
		"": 0, "Keep-Alive: timeout=60": 59 * time.Second, "Keep-Alive: timeout=2": time.Second,
		"Keep-Alive: timeout=1": -1, "Keep-Alive: timeout=0": 0,
		"Keep-Alive: max=100, TimeOut=5": 4 * time.Second, "Keep-Alive: timeout=-5": 0, "Keep-Alive: timeout=": 0,
		"Keep-Alive: timeout=99999999999999999999": 0,
		"Keep-Alive: 300":                          0, "Keep-Alive: xtimeout=5": 0,
	} {
		if field != "" {
			field += "\r\n"
		}
		var h message.Head
		lim := http1.DefaultLimits()
		if err := http1.ParseResponse([]byte("HTTP/1.1 200 OK\r\n"+field+"\r\n"), &h, &lim, false); err != nil {
			t.Fatal(err)
		}
		if got := keepFor(&h); got != want {
			t.Errorf("keepFor(%q) = %v, want %v", field, got, want)
		}
	}
}

// TestRestForgetsAnInterrupt: the client of one request may be gone when the response is through already. The next
// request on the connection must not hear of it: an upgraded one would take it for the end.
func TestRestForgetsAnInterrupt(t *testing.T) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	u := &upstreamH1{conn: netio.New(ours, netio.NewSweeper(), 0)}
	u.w.Conn = u.conn
	u.Interrupt()
	if !u.rest(&message.Head{}) {
		t.Fatal("the connection is no good any more")
	}
	go func() { _, _ = theirs.Write([]byte("x")) }()
	if n, err := u.conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v; want the byte", n, err)
	}
}

func TestStanding(t *testing.T) {
	for _, tt := range []struct {
		reused bool
		idle   time.Duration
		bare   bool
		want   standing
	}{
		{false, time.Hour, true, unused},
		{true, 0, false, current},
		{true, 10*time.Millisecond - 1, false, current},
		{true, 10 * time.Millisecond, false, doubtful},
		{true, time.Hour, false, doubtful},
		{true, 0, true, doubtful},
	} {
		u := upstreamH1{reused: tt.reused, since: int64(time.Minute), bare: tt.bare}
		if got := u.Standing(int64(time.Minute + tt.idle)); got != tt.want {
			t.Errorf("idle for %v, reused %v, behind a response without a body %v: Standing = %v, want %v", tt.idle,
				tt.reused, tt.bare, got, tt.want)
		}
	}
	for reused, want := range map[bool]standing{false: unused, true: current} {
		if got := (&upstreamH2{reused: reused}).Standing(int64(time.Hour)); got != want {
			t.Errorf("HTTP/2, reused %v: Standing = %v, want %v", reused, got, want)
		}
	}
}
