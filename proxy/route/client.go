package proxy

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// client is what is known about who is on a downstream connection; it lives as long as the connection, so it is small.
type client struct {
	listener *listener
	settings *settings  // the listener's, as they were when the connection came
	tls      *tlsClient // nil in the clear
	ip       string     // of the peer, for the log and X-Forwarded-For
	shard    uint32     // spreads connections over the access log's locks
	trusted  bool       // the peer is a proxy whose X-Forwarded-* fields are believed
	scheme   telemetry.Scheme
}

// tlsClient is what a TLS session tells about a client.
type tlsClient struct {
	version  string
	identity string // of its certificate; empty without one
	cert     []byte // X-Forwarded-Client-Cert, if the listener passes it on
}

// trusts tells whether addr belongs to a proxy that is believed.
func (s *Server) trusts(addr netip.Addr) bool { return netio.Within(s.trusted, addr) }

// name notes where the client is.
func (s *Server) name(c *client, addr netip.Addr) {
	c.ip, c.trusted = addr.String(), s.trusts(addr)
}

// remoteAddress finds the right-most address of X-Forwarded-For that is not a trusted proxy's: the nearest one that a
// proxy we believe vouches for. Without a trusted peer it is the peer's own.
func (ex *exchange) remoteAddress() {
	if !ex.c.trusted || !ex.req.Present.Has(message.XForwardedFor) {
		return
	}
	for i := len(ex.req.Fields) - 1; i >= 0; i-- {
		f := &ex.req.Fields[i]
		if f.ID != message.XForwardedFor {
			continue
		}
		for list := ex.req.Value(f); len(list) > 0; {
			e := list
			if j := bytes.LastIndexByte(list, ','); j >= 0 {
				e, list = list[j+1:], list[:j]
			} else {
				list = nil
			}
			e = message.TrimSpace(e)
			// ParseAddr keeps the text in its error only, which is not kept: no copy is needed.
			addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(e), len(e)))
			if err != nil {
				return // what is left of garbage is nobody's word
			}
			ex.remote = e
			if !ex.s.trusts(addr.Unmap()) {
				return
			}
		}
	}
}

// keepsID tells whether the request has an id that goes on: one that is for its connection only does not, and an empty
// one gives way to ours.
func (ex *exchange) keepsID() (keeps bool) {
	if !ex.req.Present.Has(message.XRequestID) {
		return false
	}
	for i := range ex.req.Fields {
		f := &ex.req.Fields[i]
		if f.ID != message.XRequestID {
			continue
		}
		f.Hop = f.Hop || len(ex.req.Value(f)) == 0
		keeps = keeps || !f.Hop
	}
	return keeps
}

// requestID makes an id for a request that has none: a random UUID (RFC 9562 version 4).
func (ex *exchange) requestID() {
	if ex.keepsID() {
		return
	}
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	b := &ex.id
	hex.Encode(b[0:8], raw[0:4])
	hex.Encode(b[9:13], raw[4:6])
	hex.Encode(b[14:18], raw[6:8])
	hex.Encode(b[19:23], raw[8:10])
	hex.Encode(b[24:36], raw[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	ex.idLen = len(b)
}
