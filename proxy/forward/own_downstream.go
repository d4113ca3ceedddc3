package forward

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// ownDownstream is what the downstream sides of the gateway's own requests have alike: nobody has sent the request,
// and nobody is written to.
type ownDownstream struct{}

func (ownDownstream) Ready() bool                { return true }
func (ownDownstream) Trailers() *message.Head    { return nil }
func (ownDownstream) SetReadDeadline(int64)      {}
func (ownDownstream) Interrupt()                 {}
func (ownDownstream) ClearInterrupt()            {}
func (ownDownstream) Park(upstream) bool         { return false }
func (ownDownstream) AwaitRoom()                 {}
func (ownDownstream) ParkUnread() bool           { return false }
func (ownDownstream) Ahead(upstream)             {}
func (ownDownstream) Received() int64            { return 0 }
func (ownDownstream) ResetCode() http2.ErrCode   { return http2.Cancel }
func (ownDownstream) Inform(*message.Head) error { return nil }
func (ownDownstream) Flush() error               { return nil }
func (ownDownstream) Fit()                       {}
func (ownDownstream) Sent() int64                { return 0 }
func (ownDownstream) Abort(*route.LocalReply)    {}
