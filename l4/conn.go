package l4

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/identity"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// conn is one connection of a client, from its accept to its record. Its fields belong to the goroutine of serve and,
// after that, to the pump that ends last, except as noted.
type conn struct {
	s      *Server
	set    *settings
	shard  uint32 // spreads connections over the access log's locks
	start  time.Time
	cancel context.CancelFunc // ends the context of serve

	client  client
	attempt attempt
	cause   error // what went wrong last; nil: nothing has, or the flag says it all

	down  net.Conn // the client's side: the socket, or TLS over it
	up    net.Conn // the endpoint's; nil: none
	there pump     // from the client
	back  pump     // to it

	left    atomic.Int32 // of the two pumps, those that run
	flowing atomic.Bool
	stopped atomic.Bool // flag is set: both pumps are to end

	socket net.Conn // under down; it never changes
	mu     sync.Mutex
	// +checklocks:mu
	server net.Conn // under up; nil: not connected
	// +checklocks:mu
	flag telemetry.Flag

	watched watched // set before the bytes flow; then the watch's, under the server's mu, and after it that of end
}

// client is what the client has said of itself before its bytes flow.
type client struct {
	who        proxyproto.Header // the client, and where it has connected to
	name       string            // that the ClientHello asks for
	tlsVersion string
	identity   string          // of the client's certificate, for people
	names      []identity.Name // of it, by which the listener lets in
	early      *netio.Buffer   // what was read of the client's own bytes; nil: nothing
	earlyBytes []byte
}

// attempt is how far connecting to an endpoint has come.
type attempt struct {
	to      *upstream // nil until a route was found
	count   int
	took    time.Duration       // of the last connect
	begun   time.Time           // the connect to the last endpoint
	address string              // of the last endpoint tried
	ended   []telemetry.Attempt // the attempts that have failed
	ep      *cluster.Endpoint   // leased; nil: none
	slot    *cluster.Slot       // nil: none
}

// watched is what the watch knows of the connection.
type watched struct {
	seen   [2]int64  // bytes there and back when they were last counted
	last   time.Time // when they were last seen to have grown
	taken  time.Time // when the endpoint was first seen to have taken some
	judged bool      // a while after that
}

func newConn(s *Server, set *settings, nc net.Conn, cancel context.CancelFunc) *conn {
	c := &conn{s: s, set: set, shard: s.conns.Add(1), start: time.Now(), cancel: cancel, socket: nc, down: nc}
	c.client.who = proxyproto.Header{
		Source: netio.Peer(nc), Destination: netio.AddrPort(nc.LocalAddr()),
	}
	return c
}

// serve is the life of the connection up to where its bytes flow. Until then ctx is its own.
func (c *conn) serve(ctx context.Context) {
	defer c.cancel()
	if !c.begin(ctx) {
		c.end()
	}
}

// begin reports whether the pumps run: the connection is theirs then.
func (c *conn) begin(ctx context.Context) (flows bool) {
	defer c.recovered()
	if !c.greet(ctx) || !c.connect(ctx) {
		return false
	}
	c.tunnel()
	return true
}

// stop ends the connection, for the reason that the flag names; the first one counts. It wakes whoever waits for one of
// the sockets, or for a place or a connect. Safe from any goroutine.
func (c *conn) stop(f telemetry.Flag) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flag != telemetry.NoFlag {
		return
	}
	c.flag = f
	c.stopped.Store(true)
	c.cancel() // first, so that who is woken can tell why
	for _, nc := range [2]net.Conn{c.socket, c.server} {
		if nc != nil {
			_ = nc.SetDeadline(past) // a socket that is closed needs no waking
		}
	}
}

// past is the deadline that wakes a waiting goroutine at once.
var past = time.Unix(1, 0)

// deadline is the client's until then; the zero time takes it away. It reports whether the connection is to go on.
func (c *conn) deadline(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flag != telemetry.NoFlag {
		return false
	}
	_ = c.socket.SetDeadline(at) // a socket that is closed says so at the next read
	return true
}

// connected takes the socket to the endpoint among those that stop wakes; nil takes it out. It reports whether the
// connection is to go on.
func (c *conn) connected(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = nc
	return c.flag == telemetry.NoFlag
}

// ending is why the connection ends, and the socket to the endpoint, if there is one.
func (c *conn) ending() (telemetry.Flag, net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flag, c.server
}
