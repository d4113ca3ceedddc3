package forward

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// pinged counts the PINGs that are written to a connection.
type pinged struct {
	net.Conn
	n atomic.Int64
}

func (c *pinged) Write(p []byte) (int, error) {
	if len(p) == 17 && p[3] == 6 && p[4] == 0 {
		c.n.Add(1)
	}
	return c.Conn.Write(p)
}

// TestQuietStreamsOfGRPC has a stream to a server of gRPC's own be quiet for several PINGs, in a time a thousand
// times as fast. The server counts those that come sooner than its policy wants them, and ends the connection at the
// third.
func TestQuietStreamsOfGRPC(t *testing.T) {
	const scale = 1000
	testserver.Goroutines(t)
	policy := keepalive.EnforcementPolicy{MinTime: 5 * time.Minute / scale} // what a server has that says nothing
	s := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(policy),
		grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
			<-st.Context().Done()
			return nil
		}))
	ln := testserver.Listen(t)
	go func() { _ = s.Serve(ln) }() // ends with Stop
	t.Cleanup(s.Stop)
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sweeper := netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	swept := make(chan struct{})
	go func() { defer close(swept); sweeper.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-swept })
	counted := &pinged{Conn: nc}
	c := http2.NewClient(netio.New(counted, sweeper, time.Second), http2.Options{PingInterval: pingInterval / scale})
	t.Cleanup(func() { c.Close(); <-c.Done() })
	var f http2.Fields
	f.Request([]byte("POST"), []byte("http"), []byte("a.example"), []byte("/x.Y/Watch"))
	f.Add([]byte("content-type"), []byte("application/grpc"))
	f.AddTETrailers()
	p := http2.NewPipe()
	st, err := c.Open(nil, &f, false, p.Receiver())
	if err != nil {
		t.Fatal(err)
	}
	p.Attach(st, false)
	testserver.WaitFor(t, 10*time.Second, "seven PINGs, or the end",
		func() bool { return counted.n.Load() >= 7 || p.Err() != nil })
	if err := p.Err(); err != nil {
		var gone *http2.ConnError
		t.Errorf("the stream ended after %d PINGs: %v (from the peer: %v)", counted.n.Load(), err,
			errors.As(err, &gone) && gone.Remote)
	}
}
