package route

import (
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// LocalReply is a response that the gateway makes itself, and why. The client sees Status and Text only. Immutable.
type LocalReply struct {
	Status int
	Flag   telemetry.Flag
	Text   string
	Cause  error // for the log; may be nil

	Own       *OwnResponse // what a route gives in place of Text; nil: Text
	Redirect  bool         // the route sends the client to Decision.AppendLocation
	Challenge []byte       // WWW-Authenticate; nil: none
}

// OwnResponse is what a response of a route's own has besides its status. Immutable.
type OwnResponse struct {
	Fields      []OwnField
	ContentType []byte
	Body        []byte
}

// OwnField is a field of an OwnResponse.
type OwnField struct{ Name, Value []byte }

// Names tells whether a field is id. r may be nil.
func (r *OwnResponse) Names(id message.ID) bool {
	return r != nil && slices.ContainsFunc(r.Fields, func(f OwnField) bool { return message.Lookup(f.Name) == id })
}

func (r *LocalReply) Error() string {
	if r.Cause != nil {
		return r.Cause.Error()
	}
	return r.Text
}

// Unwrap is the cause, which may hold a peer's own error code.
func (r *LocalReply) Unwrap() error { return r.Cause }

// ownReply is what the route of c answers itself; nil: it forwards.
func ownReply(c *config.Route) *LocalReply {
	switch {
	case c.Redirect.Status != 0:
		const text = "redirected"
		own := &OwnResponse{ContentType: []byte("text/plain; charset=utf-8"), Body: []byte(text + "\n")}
		return &LocalReply{Status: c.Redirect.Status, Text: text, Redirect: true, Own: own}
	case c.Respond.Status == 0:
		return nil
	}
	own := &OwnResponse{ContentType: []byte(c.Respond.ContentType), Body: []byte(c.Respond.Body)}
	for _, h := range c.Respond.Headers {
		own.Fields = append(own.Fields, OwnField{[]byte(h.Name), []byte(h.Value)})
	}
	return &LocalReply{Status: c.Respond.Status, Text: "the route responds itself", Own: own}
}

// The local replies of a decision.
var (
	ReplyConnect = &LocalReply{Status: 405, Flag: telemetry.DPE, Text: "CONNECT is not supported"}
	ReplyExpect  = &LocalReply{Status: 417, Flag: telemetry.DPE, Text: "unknown expectation"}
	// ReplyTrace and ReplyOptions end a request that goes no further, by its own Max-Forwards.
	ReplyTrace   = &LocalReply{Status: 405, Flag: telemetry.DPE, Text: "TRACE is not supported by the gateway itself"}
	ReplyOptions = &LocalReply{Status: 200, Text: "Max-Forwards is 0"}
	ReplyPath    = &LocalReply{Status: 400, Flag: telemetry.DPE, Text: "malformed path"}
	// ReplyRewritten is for a path that a rewrite makes too long, or that it fits too often.
	ReplyRewritten = &LocalReply{Status: 414, Flag: telemetry.DPE, Text: "rewritten path is too long"}
	ReplyNoRoute   = &LocalReply{Status: 404, Flag: telemetry.NR, Text: "no route"}
	// ReplyRateLimited tells in Retry-After how long Decision.RetryAfter is.
	ReplyRateLimited = &LocalReply{Status: 429, Flag: telemetry.RL, Text: "rate limited"}
	// ReplyBusy is for a password that could not be checked, since too many others wait for that.
	ReplyBusy = &LocalReply{
		Status: 503, Flag: telemetry.AC, Text: "too many passwords to check", Cause: errBusy,
	}
	ReplyNoCluster = &LocalReply{Status: 503, Flag: telemetry.UH, Text: "no healthy upstream"}
	ReplyMaxBody   = &LocalReply{Status: 413, Flag: telemetry.DPE, Text: "request body is too large"}
)
