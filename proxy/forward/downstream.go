package forward

import (
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// downstream is the client's side of one request, whatever version it speaks. Its methods belong to the exchange's
// goroutine; while a request body is uploaded, Next, Ready, Trailers, Ended and SetReadDeadline belong to the uploading
// one. Interrupt and Hangup are safe from any.
type downstream interface {
	// Next is the next piece of the request's body, good until the following call; io.EOF behind the last one.
	Next() ([]byte, error)
	// Ended tells that the body has been read to its end; Ready that Next will not wait.
	Ended() bool
	Ready() bool
	// Trailers is the trailer section behind the body, nil without one.
	Trailers() *message.Head
	// SetReadDeadline is the moment at which Next gives up; Interrupt makes it give up now, ClearInterrupt takes that
	// back.
	SetReadDeadline(at int64)
	Interrupt()
	ClearInterrupt()
	// Watch has w interrupted when the client is gone, where that is heard of without asking; nil: nobody any more.
	Watch(w http2.Interrupter)
	// Hangup asks how the client stands.
	Hangup() netio.Hangup
	// Park has the exchange wait for u without a goroutine, where both can be parked. The caller's goroutine must end,
	// without touching anything of the exchange any more.
	Park(u upstream) bool
	// Received is the number of bytes of the request that have come, its head included.
	Received() int64
	// ResetCode is what an endpoint is told of a request that is given up: the client's own code where it gave one.
	ResetCode() http2.ErrCode

	// Inform passes an interim (1xx) response on at once. Clients of HTTP/1.0 get none.
	Inform(h *message.Head) error
	// Begin starts the response with h, whose body ends as h says. Nothing need be written before Flush.
	Begin(h *message.Head) error
	// Body adds a piece of the response's body, End ends it, Flush writes what was gathered.
	Body(p []byte) error
	End(trailers *message.Head) error
	Flush() error
	// Fit gives up the memory that is needed only for what comes next. It is for a wait that may be long.
	Fit()
	// Offer is Body for a piece of which the client need not take all: it says how many bytes it took. AwaitRoom then
	// waits until it takes more, and ParkUnread does so without a goroutine, which must end. False: there is nothing to
	// wait for.
	Offer(p []byte) (int, error)
	AwaitRoom()
	ParkUnread() bool
	// Ahead tells u how much of the response is worth being read, where it is known what the client takes.
	Ahead(u upstream)
	// Began tells whether any byte of the response may have left; Sent how many did.
	Began() bool
	Sent() int64
	// Abort ends the response, which is not whole, so that the client cannot take it for a whole one. A caller of gRPC
	// learns why, where it can be told. why may be nil.
	Abort(why *route.LocalReply)
}
