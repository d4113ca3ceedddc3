package route

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// externalAuth has another service say whether a request may pass. Immutable.
type externalAuth struct {
	config  *config.ExternalAuth
	up      *Upstream
	route   *Route // of the question
	target  []byte
	timeout time.Duration
}

// MaxAnswer is how many bytes of the body of a denial go to the client.
const MaxAnswer = 64 << 10

// compileExternalAuth is nil for a route that asks nobody.
func compileExternalAuth(c *config.Route, o *Options) (*externalAuth, error) {
	a := &c.ExternalAuth
	if a.Cluster == "" {
		return nil, nil
	}
	up := o.Upstreams[a.Cluster]
	if up == nil {
		return nil, fmt.Errorf("external_auth: cluster %q is not defined", a.Cluster)
	}
	asked := &config.Route{Name: c.Name, EndpointHost: true}
	asked.Timeouts = config.RouteTimeouts{Upstream: a.Timeout, Request: a.Timeout, Write: c.Timeouts.Write}
	return &externalAuth{
		config: a, up: up, target: []byte(a.Path), timeout: a.Timeout,
		route: &Route{Name: c.Name, Config: asked, Retry: compileRetry(&asked.Retries)},
	}, nil
}

// AsksOutside tells whether another service has to be asked about the request.
func (d *Decision) AsksOutside() bool { return d.Route.external != nil }

// Question makes q the head of the request that asks about the request h, which came from c. It returns the decision
// about q. The memory of q is its own.
func (d *Decision) Question(h *message.Head, c *Client, now int64, q *message.Head) Decision {
	a, room := d.Route.external, q.Buf[:0]
	q.Reset()
	q.Buf, q.Version, q.Method, q.Authority = room, h.Version, get, h.Authority
	q.Target = a.target
	q.SplitTarget()
	for i := range h.Fields {
		f := &h.Fields[i]
		if !f.Hop && a.sends(h, f, c) {
			q.Append(h.Name(f), h.Value(f))
		}
	}
	q.Append([]byte("x-forwarded-method"), h.Method)
	uri := bytes.Clone(h.Path)
	if h.Query != nil {
		uri = append(append(uri, '?'), h.Query...)
	}
	q.Append([]byte("x-forwarded-uri"), uri)
	sub := Decision{
		Table: d.Table, Route: a.route, Method: telemetry.MethodGet, Deadline: now + int64(a.timeout),
		RemoteIP: d.RemoteIP, ID: d.ID,
	}
	sub.FailOver(a.up, q, c)
	return sub
}

var get = []byte("GET")

// sends tells whether the field f of the request h goes to the service. These do: what the document names, the
// request's id, and what a trusted proxy says of the client, to which the gateway adds.
func (a *externalAuth) sends(h *message.Head, f *message.Field, c *Client) bool {
	switch f.ID {
	case message.XRequestID:
		return true
	case message.XForwardedFor, message.XForwardedHost, message.XForwardedProto:
		return c.Trusted
	}
	return named(a.config.RequestHeaders, h.Name(f))
}

// Answered takes the response to the question about the request h: the head, and its body, which is nil where it was
// not kept. It returns what the client is told; nil: it is let in, and h has the fields of the response that the
// document names.
func (d *Decision) Answered(h, answer *message.Head, body []byte) *LocalReply {
	a := d.Route.external
	switch s := answer.Status; {
	case s >= 200 && s < 300:
		a.carryOn(h, answer)
		return nil
	case passesOn(s):
		return a.denied(answer, body)
	case s >= 500:
		return d.failed(h, fmt.Sprintf("answers with %d", s))
	default: // it is not the service that was meant, or not asked as it wants to be
		return a.broken(fmt.Sprintf("answers with %d, want 2xx, 401, 403 or a redirect", s))
	}
}

// Unanswered is Answered where there was none; why says so.
func (d *Decision) Unanswered(h *message.Head, why *LocalReply) *LocalReply {
	return d.failed(h, why.Error())
}

// passesOn tells whether the client is shown a response with that status.
func passesOn(status int) bool {
	switch status {
	case 401, 403, 301, 302, 303, 307, 308:
		return true
	}
	return false
}

func (d *Decision) failed(h *message.Head, why string) *LocalReply {
	a := d.Route.external
	if a.config.OnError == config.OnErrorAllow {
		a.carryOn(h, nil)
		return nil
	}
	return a.broken(why)
}

// broken is the reply where nobody can say whether the client may.
func (a *externalAuth) broken(why string) *LocalReply {
	return &LocalReply{
		Status: 503, Flag: telemetry.AC, Text: "authorization is not available",
		Cause: fmt.Errorf("cluster %s: %s (external_auth)", a.config.Cluster, why),
	}
}

// denied is the response as the client gets it.
func (a *externalAuth) denied(answer *message.Head, body []byte) *LocalReply {
	r := &LocalReply{
		Status: answer.Status, Flag: telemetry.AC, Text: "forbidden",
		Cause: fmt.Errorf("cluster %s answers with %d (external_auth)", a.config.Cluster, answer.Status),
		Own:   &OwnResponse{Body: bytes.Clone(body)},
	}
	switch {
	case answer.Status == 401:
		r.Text = "unauthorized"
	case answer.Status < 400:
		r.Text = "redirected"
	}
	for i := range answer.Fields {
		f := &answer.Fields[i]
		switch {
		case f.Hop || notPassed.Has(f.ID) || f.ID == message.ContentEncoding && body == nil:
		case f.ID == message.ContentType:
			r.Own.ContentType = bytes.Clone(answer.Value(f))
		default:
			r.Own.Fields = append(r.Own.Fields,
				OwnField{bytes.Clone(answer.Name(f)), bytes.Clone(answer.Value(f))})
		}
	}
	return r
}

// notPassed are fields of a response that the gateway writes itself.
var notPassed = message.HopByHop | message.Of(message.ContentLength, message.Date, message.Trailer,
	message.XRequestID)

// carryOn puts the fields of the response that the document names into the request, in place of those that the client
// has sent. Those that the response lacks (nil: all) are taken out too: the app believes them.
func (a *externalAuth) carryOn(h, answer *message.Head) {
	if len(a.config.ResponseHeaders) == 0 {
		return
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; spelled(a.config.ResponseHeaders, h.Name(f)) {
			f.Hop = true
		}
	}
	if answer == nil {
		return
	}
	h.Buf = slices.Clip(h.Buf) // what lies behind it belongs to others
	for i := range answer.Fields {
		if f := &answer.Fields[i]; !f.Hop && named(a.config.ResponseHeaders, answer.Name(f)) {
			h.Append(answer.Name(f), answer.Value(f))
		}
	}
}

// MarkTrailers marks the trailers t of a request that are not passed on. They are those of names that the route drops
// in the head, and those that say what only the service that was asked may say. t may be nil.
func (d *Decision) MarkTrailers(t *message.Head) {
	if t == nil || d.Route == nil {
		return
	}
	d.Route.Request.Mark(t)
	if d.Route.external == nil {
		return
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; spelled(d.Route.external.config.ResponseHeaders, t.Name(f)) {
			f.Hop = true
		}
	}
}

// named tells whether name is one of list, whose names are in lower case.
func named(list []string, name []byte) bool {
	for _, n := range list {
		if message.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// spelled is named for names that an app may take for those of list.
func spelled(list []string, name []byte) bool {
	for _, n := range list {
		if message.EqualSpelling(name, n) {
			return true
		}
	}
	return false
}
