package http2

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Options of a connection. Zero fields take the defaults; a zero timeout is none.
type Options struct {
	MaxStreams     int // streams at a time that the client may open; default 100. Server only
	MaxHeaderBytes int // of one head or trailer section, counted as RFC 9113 section 10.5.1 does; default 64 KiB
	MaxFields      int // of one head or trailer section; default 200
	// HeldBytes is how many bytes all requests of the connection together may hold: of heads and trailers, and 5 KiB
	// for each stream. Requests over it are refused. The default is MaxStreams times 6.75 KiB, 1.75 of which are for
	// heads. It always has room for MaxStreams streams, and for twice MaxHeaderBytes besides. Server only
	HeldBytes int
	// StreamWindow is how many bytes of one stream the peer may send ahead of Consumed; default 256 KiB. It begins
	// with the protocol's own 64 KiB on a server's side and with 4 KiB on a client's, if that is less. It gets there
	// as bytes are consumed. A peer that opens many streams and reads none does not make us hold as much for each.
	StreamWindow int
	firstWindow  int // of a new stream
	// ConnWindow is the same for all streams of the connection together. A server's default of 1 MiB is the most that
	// one client makes its owner hold. A client's is 1 GiB, which is none: its streams belong to many, and those that
	// read slowly must not stop the others.
	ConnWindow int

	ReadTimeout     time.Duration // preface, a whole header block, and the rest of a frame that has begun
	IdleTimeout     time.Duration // without a stream
	StallTimeout    time.Duration // of data that waits on the peer's flow control: then RST_STREAM with CANCEL
	SettingsTimeout time.Duration // until the peer acknowledges our SETTINGS; default 10 s
	PingInterval    time.Duration // of silence until the peer is asked whether it is there
	PingTimeout     time.Duration // until it acknowledges; default 15 s

	// Count is told each limit that the peer ran into. Room (client only) is told that a stream may be opened again,
	// here or by now only elsewhere, after Open or Reserve had no room. Both are called from any goroutine and must
	// not block. Count may be called with the connection's lock held: it must not call the connection.
	Count func(Limit)
	Room  func()
	// Refused is told of each malformed request, with what was kept of its head. It was reset. Server only; on the
	// reading goroutine, without locks.
	Refused func(h *message.Head)
	// TooLarge responds to a request whose head is over the limits, of which h is what was kept, as Handler.Request
	// responds to others. Nil: it is answered with a bare 431. Server only.
	TooLarge func(b *Batch, s *Stream, h *message.Head, end bool) Receiver
	// Panicked is told of a panic in an event, which then ends only its connection, with INTERNAL_ERROR. Nil: it ends
	// the process.
	Panicked func(p any, stack []byte)
}

func (o *Options) setDefaults(client bool) {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.MaxStreams, 100)
	def(&o.MaxHeaderBytes, 64<<10)
	def(&o.MaxFields, 200)
	def(&o.HeldBytes, o.MaxStreams*streamBytes+max(o.MaxStreams*headsPerStream, 2*o.MaxHeaderBytes))
	def(&o.StreamWindow, 256<<10)
	if client {
		def(&o.ConnWindow, 1<<30)
	}
	def(&o.ConnWindow, 1<<20)
	o.StreamWindow = min(o.StreamWindow, maxWindow)
	o.firstWindow = min(o.StreamWindow, defaultWindow)
	if client {
		o.firstWindow = min(o.firstWindow, aheadFirst)
	}
	o.ConnWindow = max(min(o.ConnWindow, maxWindow), defaultWindow)
	wait := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	wait(&o.SettingsTimeout, 10*time.Second)
	wait(&o.PingTimeout, 15*time.Second)
	if o.Count == nil {
		o.Count = func(Limit) {}
	}
	if o.Refused == nil {
		o.Refused = func(*message.Head) {}
	}
	if o.Room == nil {
		o.Room = func() {}
	}
}
