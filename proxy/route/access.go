package route

import (
	"github.com/fabian4/gateway-homebrew-go/internal/access"
	"github.com/fabian4/gateway-homebrew-go/internal/identity"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// forbidden are the replies to who may not, by why.
var forbidden = func() (all [access.Count]LocalReply) {
	for why := access.None + 1; why < access.Count; why++ {
		all[why] = LocalReply{Status: 403, Flag: telemetry.AC, Text: "forbidden", Cause: why}
	}
	return all
}()

// refuse is the reply to a client that may not use the route, nil to one that may. Nothing that the client writes
// counts: the address is the connection's, or that which a trusted proxy names, and the names are the certificate's.
func (d *Decision) refuse(r *access.Rules, c *Client) *LocalReply {
	why := access.None
	if r.BySource() {
		why = r.Source(d.remote(c))
	}
	if why == access.None && r.ByIdentity() {
		why = r.Identity(c.names())
	}
	if why == access.None {
		return nil
	}
	return &forbidden[why]
}

// names are those of the client's certificate.
func (c *Client) names() []identity.Name {
	if c.TLS == nil {
		return nil
	}
	return c.TLS.Names
}
