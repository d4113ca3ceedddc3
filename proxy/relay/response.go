package relay

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// fillResponse adds to f the final head h as it goes to the client.
func (r *relay) fillResponse(f *http2.Fields, h *message.Head) {
	res := forward.Response{Head: h, Exchange: route.Exchange{
		Decision: &r.decision, Request: &r.req, Client: &r.conn.Client, Endpoint: r.endpoint.Address(),
	}}
	res.FillH2(f)
}

// reply answers with a local reply.
func (r *relay) reply(b *http2.Batch, reply *route.LocalReply) {
	var h message.Head
	body := forward.FillReply(&h, reply, &r.decision, &r.req, &r.conn.Client, nil)
	fields := b.Fields()
	r.fillResponse(fields, &h)
	if err := r.client.WriteHead(b, fields, body == nil); err != nil {
		return // a stream that is gone needs no response
	}
	r.mu.Lock() // the client's window may open before WriteData returns
	defer r.mu.Unlock()
	if r.rest = body; body == nil || r.writeRest(b) {
		r.endReply(b)
	}
}

// replyGoesOn sends more of the local reply, if some of it is left.
func (r *relay) replyGoesOn(b *http2.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rest) > 0 && r.writeRest(b) {
		r.endReply(b)
	}
}

// writeRest sends what the client's window has room for, and tells whether that is all. Of a stream that is gone
// nothing is left.
//
// +checklocks:r.mu
func (r *relay) writeRest(b *http2.Batch) bool {
	n, err := r.client.WriteData(b, r.rest, true)
	r.rest = r.rest[n:]
	if err != nil {
		r.rest = nil
	}
	return len(r.rest) == 0
}

// endReply ends the request, of which more may come, behind the local reply: it is of no use.
//
// +checklocks:r.mu
func (r *relay) endReply(b *http2.Batch) {
	if r.request != requestSent {
		r.client.Reset(b, http2.NoError)
	}
}
