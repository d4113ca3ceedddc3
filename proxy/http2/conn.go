package http2

import (
	"errors"
	"math"
	"sync"

	"golang.org/x/net/http2/hpack"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Conn is what both sides of a connection share. One goroutine reads it and delivers all events; any goroutine may append.
type Conn struct {
	nc     *netio.Conn
	w      *netio.Writer
	opt    Options
	client bool
	serve  Handler // server side

	// The reading goroutine's.
	in       *netio.Buffer // nil while nothing is held
	r, wr    int           // what is held of in
	first    [frameHeaderLen]byte
	bulk     bool // the last read filled its buffer
	corked   bool // beforeWait flushes the batch
	handled  int  // bytes handled since the last flush
	preface  int  // bytes of the preface still to come; server side
	settled  bool // the peer's first SETTINGS has come
	dec      *hpack.Decoder
	block    *block // in progress, nil between blocks
	batch    Batch
	partAt   int64 // when a frame or block that has begun must be whole; 0 nothing has
	lastRead int64 // with PingInterval
	due      []*Stream

	mu      sync.Mutex // guards what follows, and the streams
	written sync.Cond  // writing has become false
	streams map[uint32]*Stream
	lastID  uint32 // the last stream opened, by whichever side is the client
	skipped uint32 // the highest number that the client passed over
	enc     encoder
	out     []byte
	outBuf  *netio.Buffer // out's memory; nil when it is no pooled buffer
	dirtyIn *Batch        // will flush out
	writing bool          // somebody writes; the others only append
	full    bool          // streams wait for room in out
	blocked []*Stream     // wait for the connection's window or for room in out, in the order they came
	dead    bool          // nothing is sent any more
	cut     bool          // not even what is in out
	err     error         // why, when this side knows better than the socket
	roomDue bool          // tell opt.Room
	starved bool          // Open or Reserve had no room

	send          int  // the connection's window for what we send
	window        int  // what the peer may still send
	credit        int  // consumed and not announced yet
	peerWindow    int  // a new stream's window for what we send
	peerStreams   int  // that we may open
	peerSet       bool // as the peer's SETTINGS say
	reserved      int  // places of them that are kept; client side
	peerHeadBytes int
	ourWindow     int // a new stream's window for what the peer sends
	flood         flood
	resets        []uint32 // a ring of the streams that this side reset; server side
	resetAt       int

	drain    drainState
	goneLast uint32 // the last stream of our last GOAWAY
	peerGone bool   // the peer sent GOAWAY
	why      error  // what it said, if that was not NO_ERROR

	wakeAt                                      int64 // when the reading goroutine looks at the moments below and at the streams'; 0 never
	settingsAt, idleAt, drainAt, pingAt, pongAt int64
}

func (c *Conn) init(nc *netio.Conn, o Options, client bool) {
	o.setDefaults(client)
	*c = Conn{
		nc: nc, w: netio.NewWriter(nc), opt: o, client: client,
		streams: make(map[uint32]*Stream), enc: newEncoder(),
		send: defaultWindow, window: defaultWindow, peerWindow: defaultWindow,
		peerStreams: minStreams, peerHeadBytes: math.MaxInt,
		ourWindow: defaultWindow, // until our SETTINGS are acknowledged the peer may go by that
	}
	c.written.L = &c.mu
	c.dec = hpack.NewDecoder(tableBytes, func(f hpack.HeaderField) { c.block.add(f) })
	c.dec.SetMaxStringLength(2 * o.MaxHeaderBytes)
	c.corked = c.w.BeforeWait(c.batch.Flush)
	now := nc.Now()
	c.flood = flood{tokens: controlTokens, tokensAt: now}
	c.lastRead = now
	c.settingsAt = now + int64(o.SettingsTimeout)
	c.wakeBy(c.settingsAt)
	if o.IdleTimeout > 0 {
		c.idleAt = now + int64(o.IdleTimeout)
		c.wakeBy(c.idleAt)
	}
	if o.PingInterval > 0 {
		c.pingAt = now + int64(o.PingInterval)
		c.wakeBy(c.pingAt)
	}
}

// active is the number of open streams.
func (c *Conn) active() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams)
}

// Close cuts the connection off: the streams that are open are reset with ErrClosed. It does not wait.
func (c *Conn) Close() {
	c.mu.Lock()
	if c.err == nil && !c.dead {
		c.err = ErrClosed
		c.nc.Interrupt()
	}
	c.mu.Unlock()
}

// run reads until the connection is over.
func (c *Conn) run(early []byte) error {
	if len(early) > 0 {
		c.in = netio.Sized(len(early))
		c.wr = copy(c.in.B, early)
	}
	c.lastRead = c.nc.Now()
	for {
		err := c.ingest()
		if err == nil {
			c.settle()
			err = c.fill()
		}
		for err != nil {
			switch {
			case errors.Is(err, netio.ErrTimeout):
				err = c.tick()
			case errors.Is(err, netio.ErrInterrupted):
				err = c.woken()
			default:
				return c.shut(err)
			}
			if err == nil {
				c.batch.Flush()
				err = c.fill()
			}
		}
	}
}

// settle ends a batch of frames: what was appended anywhere is written. Over a Cork that can wait until the next read has to.
func (c *Conn) settle() {
	if !c.corked || c.handled >= netio.BulkSize {
		c.batch.Flush()
		c.handled = 0
	}
	switch {
	case c.wr == c.r && c.block == nil && c.preface == 0:
		c.partAt = 0
	case c.opt.ReadTimeout > 0 && (c.partAt == 0 || c.dataBegun()):
		c.partAt = c.nc.Now() + int64(c.opt.ReadTimeout)
		c.mu.Lock()
		c.wakeBy(c.partAt)
		c.mu.Unlock()
	}
}

// dataBegun tells whether what is held is the beginning of a DATA frame. A body may come slowly, so each piece of it starts the time anew; a
// head may not.
func (c *Conn) dataBegun() bool {
	return c.block == nil && c.wr-c.r >= frameHeaderLen && c.in.B[c.r+3] == frameData
}

// fill reads more. Without a part of a frame in hand it waits without a buffer, where the connection lets it.
func (c *Conn) fill() error {
	if c.r < c.wr {
		return c.fillRest()
	}
	c.in.Free()
	c.in, c.r, c.wr = nil, 0, 0
	if c.bulk {
		c.in = netio.NewBulk()
		return c.read()
	}
	if c.nc.Plain() {
		buf, n, err := c.nc.ReadFirst()
		if err != nil {
			return err
		}
		c.in, c.wr = buf, n
		c.bulk = n == len(buf.B)
		c.noteRead(n)
		return nil
	}
	// Not a plain socket: a frame header's worth is waited for, the rest is there already as a rule.
	n, err := c.nc.Read(c.first[:])
	if n > 0 {
		c.in = netio.NewBuffer()
		c.wr = copy(c.in.B, c.first[:n])
		c.noteRead(n)
		return nil
	}
	return err
}

// fillRest reads more behind a part of a frame, and sees to it that the whole frame has room.
func (c *Conn) fillRest() error {
	need := frameHeaderLen
	if held := c.in.B[c.r:c.wr]; len(held) >= frameHeaderLen {
		need += int(parseFrame(held).length)
	}
	switch {
	case need > len(c.in.B):
		buf := netio.Sized(need)
		c.wr = copy(buf.B, c.in.B[c.r:c.wr])
		c.r = 0
		c.in.Free()
		c.in = buf
	case c.r+need > len(c.in.B) || c.wr == len(c.in.B):
		c.wr = copy(c.in.B, c.in.B[c.r:c.wr])
		c.r = 0
	}
	return c.read()
}

func (c *Conn) read() error {
	n, err := c.nc.Read(c.in.B[c.wr:])
	c.bulk = n == len(c.in.B)-c.wr || n >= netio.BufferSize
	c.wr += n
	c.noteRead(n)
	if n > 0 {
		return nil
	}
	return err
}

func (c *Conn) noteRead(n int) {
	c.handled += n
	if c.opt.PingInterval > 0 {
		c.lastRead = c.nc.Now()
	}
}

// fail ends the connection because of what happened to its socket or in its out buffer. The reading goroutine sees to the rest.
func (c *Conn) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	if !c.cut {
		c.dead, c.cut = true, true
		c.out = nil
		c.outBuf.Free()
		c.outBuf = nil
		_ = c.nc.Abort() // whatever it says, the connection is over
	}
}
