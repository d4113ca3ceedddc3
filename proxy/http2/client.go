package http2

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Client is the client's side of one connection, whose streams belong to many requests.
type Client struct {
	Conn
	done chan struct{}
	over error // why it is; good once done is closed
}

// NewClient makes the client side of nc, which it owns from now on. It sends the preface and SETTINGS, and reads in a
// goroutine of its own until the connection is over. The protocol has been agreed on: by ALPN, or by prior knowledge.
func NewClient(nc *netio.Conn, o Options) *Client {
	c := &Client{done: make(chan struct{})}
	c.init(nc, o, true)
	c.mu.Lock()
	c.out.grow(len(Preface))
	c.out.b = append(c.out.b, Preface...)
	c.mu.Unlock()
	c.sendSettings([]setting{
		{settingEnablePush, 0},
		{settingInitialWindowSize, uint32(c.opt.firstWindow)},
		{settingMaxHeaderListSize, uint32(c.opt.MaxHeaderBytes)},
	})
	go c.loop()
	return c
}

// loop is the client's reading goroutine; the end of the connection ends it.
func (c *Client) loop() {
	c.over = c.in.run(nil)
	close(c.done)
}

// Done is closed when the connection is over, and every stream has had its last event.
func (c *Client) Done() <-chan struct{} { return c.done }

// Usable tells whether Open may succeed, now or when there is room. A connection whose peer may be gone is not usable.
func (c *Client) Usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usable() && !c.doubt.pending.Load()
}

// Responded tells whether a response has come on the connection.
func (c *Client) Responded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.responded
}

// TurnedAway tells whether the peer has ended the connection, or wants no more streams on it, and no response has come.
func (c *Client) TurnedAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := c.drain.peerGone || c.end.state != connOpen || c.end.err != nil
	ours := c.drain.state != notDraining || errors.Is(c.end.err, ErrIdle) || errors.Is(c.end.err, ErrClosed)
	return ended && !ours && !c.peer.responded
}

// free is how many more streams there are places for.
//
// +checklocks:c.mu
func (c *Client) free() int {
	if !c.peer.known {
		return 0
	}
	return c.peer.streams - len(c.streams.open) - c.places.reserved
}

// Closed tells whether the peer has said that it takes no stream at all, for now.
func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.known && c.peer.streams == 0
}

// Reserve keeps a place for one stream, which is the caller's until OpenReserved or Unreserve. Where there is none,
// Options.Room is called when there may be one. As long as the peer's SETTINGS have not come, which say how many
// streams it takes, there is one place in all.
func (c *Client) Reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.usable() {
		return false
	}
	if c.free() <= 0 || len(c.out.b) > headBytes || c.doubt.pending.Load() {
		c.places.starved = true
		return false
	}
	c.places.reserved++
	return true
}

// Unreserve gives a place back.
func (c *Client) Unreserve() {
	c.mu.Lock()
	c.places.reserved--
	c.placeFree()
	c.leave(nil)
}

// LimitKnown tells whether the peer has said how many streams it takes, or will never say.
func (c *Client) LimitKnown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.known || !c.usable()
}

// usable tells whether the connection takes streams at all.
//
// +checklocks:c.mu
func (c *Client) usable() bool {
	return c.end.state == connOpen && c.end.err == nil && !c.drain.peerGone && c.drain.state == notDraining &&
		c.streams.lastID < maxStreamID-2
}

// Open opens a stream with the request in f; with end it has no body. The events go to r, and may begin before Open
// returns. What Open refuses has not been sent.
func (c *Client) Open(b *Batch, f *Fields, end bool, r Receiver) (*Stream, error) {
	c.mu.Lock()
	return c.open(b, f, end, r, nil)
}

// OpenReserved is Open in a place that Reserve has kept. Whatever it returns, the place is used up. dst is the client's
// stream that the response goes on in, nil: it is none of HTTP/2. What the responses of a client's connection hold is
// bounded together.
func (c *Client) OpenReserved(b *Batch, f *Fields, end bool, r Receiver, dst *Stream) (*Stream, error) {
	c.mu.Lock()
	c.places.reserved--
	return c.open(b, f, end, r, dst)
}

// open opens a stream, and leaves the connection.
//
// +checklocksrelease:c.mu
func (c *Client) open(b *Batch, f *Fields, end bool, r Receiver, dst *Stream) (*Stream, error) {
	var err error
	switch {
	case c.end.state != connOpen || c.end.err != nil:
		err = ErrClosed
	case !c.usable():
		err = ErrGoAway
	case len(c.streams.open)+c.places.reserved >= c.peer.streams || len(c.out.b) > headBytes:
		c.places.starved = true
		err = ErrNoCapacity
	case f.size > c.peer.headBytes:
		err = ErrHeadTooLarge
	}
	if err != nil {
		if !errors.Is(err, ErrNoCapacity) {
			c.placeFree()
		}
		c.leave(b)
		return nil, err
	}
	s := c.newStream(c.streams.next())
	asStream(&c.Conn, s)
	s.recv, s.isHead, s.dst = r, f.isHead, dst
	s.c.appendHead(s.id, f, end)
	s.c.doubt.owe(s.c.nc.Now())
	s.widenAtOnce()
	if end {
		s.endLocal()
	}
	s.c.leave(b)
	return s, nil
}
