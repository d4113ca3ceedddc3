package http2

import (
	"math"
	"sync"

	"golang.org/x/net/http2/hpack"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Conn is what both sides of a connection share. One goroutine reads it and delivers all events; any goroutine may
// append. Each part is one idea and has a file; the parts below mu know nothing of the lock, which whoever calls them
// holds.
type Conn struct {
	nc     *netio.Conn
	w      *netio.Writer
	opt    Options
	client bool
	serve  Handler // server side
	in     reader  // the reading goroutine's
	doubt  doubt
	ahead  ahead // server side

	mu sync.Mutex // also guards the streams
	// +checklocks:mu
	out     output
	written sync.Cond // out.writing has become false
	// +checklocks:mu
	streams streamTable
	// +checklocks:mu
	flow connFlow
	// +checklocks:mu
	peer peerSettings
	// +checklocks:mu
	places places
	// +checklocks:mu
	flood flood
	// +checklocks:mu
	drain draining
	// +checklocks:mu
	timers timers
	// +checklocks:mu
	end ending
}

// ending is how far a connection has come, and why it ends.
type ending struct {
	state  connState
	err    error // when this side knows better than the socket
	remote error // what the peer's GOAWAY said, if that was not NO_ERROR
}

// connState is how far a connection has come.
type connState uint8

const (
	connOpen   connState = iota
	connEnding           // nothing is appended any more; what is in the out buffer is still written
	connCut              // not even that
)

// init makes c ready. Nobody else has it yet.
//
// +checklocksignore
func (c *Conn) init(nc *netio.Conn, o Options, client bool) {
	o.setDefaults(client)
	now := nc.Now()
	*c = Conn{
		nc: nc, w: netio.NewWriter(nc), opt: o, client: client,
		out:     output{enc: newEncoder()},
		streams: streamTable{open: make(map[uint32]*Stream)},
		flow:    connFlow{send: defaultWindow, window: defaultWindow, newWindow: defaultWindow},
		peer:    peerSettings{window: defaultWindow, streams: minStreams, headBytes: math.MaxInt},
		flood:   flood{tokens: controlTokens, tokensAt: now},
		timers:  timers{nc: nc},
	}
	c.written.L = &c.mu
	r := &c.in
	r.c = c
	r.frames.nc = nc
	r.headers = headerReader{c: c, batch: &r.batch}
	r.headers.dec = hpack.NewDecoder(tableBytes, func(f hpack.HeaderField) { r.headers.block.add(f) })
	r.headers.dec.SetMaxStringLength(2 * o.MaxHeaderBytes)
	r.corked = c.w.BeforeWait(r.batch.Flush)
	c.doubt.lastRead.Store(now)
	c.timers.start(now, &c.opt)
}

// Close cuts the connection off: the streams that are open are reset with ErrClosed. It does not wait.
func (c *Conn) Close() {
	c.mu.Lock()
	if c.end.err == nil && c.end.state == connOpen {
		c.end.err = ErrClosed
		c.nc.Interrupt()
	}
	c.mu.Unlock()
}

// fail ends the connection because of what happened to its socket or in its out buffer. The reading goroutine sees to
// the rest.
//
// +checklocks:c.mu
func (c *Conn) fail(err error) {
	if c.end.err == nil {
		c.end.err = err
	}
	if c.end.state != connCut {
		c.end.state = connCut
		c.out.drop()
		_ = c.nc.Abort() // whatever it says, the connection is over
	}
}

// flooded ends a connection that only makes work.
func (c *Conn) flooded(l Limit) error {
	c.opt.Count(l)
	return connError(EnhanceYourCalm, "too much of: "+l.String())
}

// resetsAllowed notes a stream that ended early by the peer's doing, and tells whether there were not too many yet.
// Servers are not judged: they do not begin streams, and the connection belongs to many clients.
//
// +checklocks:c.mu
func (c *Conn) resetsAllowed() bool { return c.client || c.flood.reset(c.nc.Now) }

// rejectID resets a stream that is not there, or not yet, because of what the peer did.
//
// +checklocksrelease:c.mu
func (c *Conn) rejectID(b *Batch, id uint32, code ErrCode) error {
	c.sendReset(id, code)
	allowed := c.resetsAllowed()
	c.leave(b)
	if !allowed {
		return c.flooded(LimitResets)
	}
	return nil
}

// asStream and asConn do nothing. They tell tools/locks that the lock of a stream is that of its connection: what holds
// c.mu holds s.c.mu, and the other way round.
//
// +checklocksrelease:c.mu
// +checklocksacquire:s.c.mu
// +checklocksignore
func asStream(c *Conn, s *Stream) {}

// asConn is described at asStream.
//
// +checklocksrelease:s.c.mu
// +checklocksacquire:c.mu
// +checklocksignore
func asConn(s *Stream, c *Conn) {}
