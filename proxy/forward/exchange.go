package proxy

import (
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// downstream is the client's side of one exchange, whatever version it speaks. Its methods belong to the exchange's goroutine; while a
// request body is uploaded, Next, Ready, Trailers, Ended and SetReadDeadline belong to the uploading one. Interrupt and Hangup are safe from any.
type downstream interface {
	// Next is the next piece of the request's body, good until the following call; io.EOF behind the last one.
	Next() ([]byte, error)
	// Ended tells that the body has been read to its end; Ready that Next will not wait.
	Ended() bool
	Ready() bool
	// Trailers is the trailer section behind the body, nil without one.
	Trailers() *message.Head
	// SetReadDeadline is the moment at which Next gives up; Interrupt makes it give up now, ClearInterrupt takes that back.
	SetReadDeadline(at int64)
	Interrupt()
	ClearInterrupt()
	// Watch has w interrupted when the client is gone, where that is heard of without asking; nil: nobody any more.
	Watch(w http2.Interrupter)
	// Hangup asks how the client stands.
	Hangup() netio.Hangup
	// Received is the number of bytes of the request that have come, its head included.
	Received() int64

	// Inform passes an interim (1xx) answer on at once. Clients of HTTP/1.0 get none.
	Inform(h *message.Head) error
	// Begin starts the answer with h, whose body ends as h says. Nothing need be written before Flush.
	Begin(ex *exchange, h *message.Head) error
	// Body adds a piece of the answer's body, End ends it, Flush writes what was gathered.
	Body(p []byte) error
	End(trailers *message.Head) error
	Flush() error
	// Began tells whether any byte of the answer may have left; Sent how many did.
	Began() bool
	Sent() int64
	// Abort breaks the answer off so that the client cannot take it for a whole one.
	Abort()
}

// exchange is one request and its answer. It is part of what a codec pools for a request: everything in it is good until reset.
type exchange struct {
	s  *Server
	t  *Table // the revision that serves this request, loaded once
	c  *client
	d  downstream
	rt *Route
	up *Upstream // drawn by the weights of the route
	ep *cluster.Endpoint

	req, resp message.Head
	path      []byte        // normalised, of the request
	work      *workspace    // scratch memory; who carries the exchange lends it
	held      []byte        // the beginning of the request's body that every try sends along with the head
	heldBuf   *netio.Buffer // what held is gathered in, when it came in several pieces
	id        [36]byte
	idLen     int    // length of a request id that was made here; 0: the client's own is in the request
	remote    []byte // the right-most address that is not a trusted proxy's; nil: the peer's
	tried     cluster.Tried
	admission
	retryIn time.Duration // with faultRateLimited: when there is a token again

	start      int64        // moments on the sweeper's clock: the first byte came,
	sentAt     atomic.Int64 // the whole request went upstream (0: not yet),
	headAt     int64        // the response head came,
	tryStart   int64        // the try in hand began
	endAt      int64        // the answer had been passed on; 0: it was none of an upstream
	halfClosed int64        // the client was first seen to have ended its side after a whole request; 0: it has not
	deadline   int64        // of the whole exchange; 0 none
	clients    bool         // the deadline is the client's own (grpc-timeout): no endpoint is to blame when it passes
	grpc       bool
	head       bool // the method is HEAD
	method     telemetry.Method
	status     int
	grpcStatus int // noGRPCStatus: none has come
	flag       telemetry.Flag
	attempts   int
	retrying   bool  // has a place in the cluster's retry budget
	closing    bool  // the client's connection must not be used again
	reason     error // why the exchange ended badly, for the log
	bodyBytes  int64 // of the request's body so far, for limits.max_body

	decided       bool   // by decide
	early         early1 // what the reading goroutine of the client's connection has done of the first try
	upload        upload
	active        *telemetry.UpDown // counts it among the requests in flight
	leasing       bool              // ep is leased
	using         leased            // the connection that was leased last, for survive; nil: none, or it may be somebody else's already
	crashed       bool              // it has panicked: nothing of it is used again
	finished      bool              // its record is made, or about to be
	tunnel        bool              // the connection was switched to another protocol
	read, written int64             // bytes from and to the client, heads included, for the log
}

// workspace is what steps of an exchange build things in: memory that is kept, off the stack, and only good until the next step wants it.
type workspace struct {
	path      []byte // the normalised path
	target    []byte // :path of an HTTP/2 request
	authority []byte // its :authority, where it is not the request's own
	chain     []byte // X-Forwarded-For
	lines     lines  // the head being written
	edges     [maxSegments + 2]int
	hostname  [256]byte
}

// reset makes ex ready for the next request of the same connection.
func (ex *exchange) reset() {
	ex.req.Reset()
	ex.resp.Reset()
	ex.tried.Reset()
	ex.sentAt.Store(0)
	ex.t, ex.rt, ex.up, ex.ep, ex.admission = nil, nil, nil, nil, admission{}
	ex.path, ex.remote, ex.reason, ex.using = nil, nil, nil, nil
	ex.letGo()
	ex.upload.kept.Store(keptSoFar)
	ex.upload.asked = false
	ex.idLen, ex.start, ex.headAt, ex.tryStart, ex.endAt, ex.halfClosed, ex.deadline = 0, 0, 0, 0, 0, 0, 0
	ex.clients, ex.grpc, ex.head, ex.closing, ex.tunnel, ex.retrying, ex.finished = false, false, false, false, false, false, false
	ex.decided, ex.early = false, early1{}
	ex.read, ex.written, ex.grpcStatus = 0, 0, noGRPCStatus
	ex.method, ex.status, ex.flag, ex.attempts, ex.bodyBytes = 0, 0, 0, 0, 0
}

func (ex *exchange) now() int64 { return ex.s.sweeper.Now() }
