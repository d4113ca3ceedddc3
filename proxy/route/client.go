package route

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/internal/identity"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Listener is what a client's connection knows of the listener it came to. Immutable.
type Listener struct {
	Address   string // as it was bound first, which identifies it over revisions
	Name      string // in the revision under which the connection was accepted
	Telemetry *telemetry.Listener
}

// Client is what is known about who is on a downstream connection. It lives as long as the connection, so it is small.
type Client struct {
	Listener *Listener
	TLS      *TLSClient // nil in the clear
	IP       string     // of the peer, without a zone, for the log and X-Forwarded-For
	Shard    uint32     // spreads connections over the access log's locks
	Trusted  bool       // the peer is a proxy whose X-Forwarded-* fields are believed
	Scheme   telemetry.Scheme
}

// TLSClient is what a TLS session tells about a client.
type TLSClient struct {
	Version  string
	Identity string          // of its certificate, for people; empty without one
	Names    []identity.Name // of its certificate, by which routes let it in
	Cert     []byte          // X-Forwarded-Client-Cert, if the listener passes it on
}

// SetAddress notes where the client is, and whether it is one of the trusted proxies. A zone (RFC 4007) means something
// on this host only: it neither decides about trust nor leaves the host.
func (c *Client) SetAddress(addr netip.Addr, trusted []netip.Prefix) {
	addr = addr.Unmap().WithZone("")
	c.IP, c.Trusted = addr.String(), netio.Within(trusted, addr)
}

// remoteIP finds the right-most address of X-Forwarded-For that is not a trusted proxy's: the nearest one that a proxy
// we believe vouches for. It is the zero Addr, which stands for the peer's own, when the peer is not trusted or names
// nobody. Behind an element that is no address nothing is believed.
func remoteIP(h *message.Head, c *Client, trusted []netip.Prefix) (remote netip.Addr) {
	if !c.Trusted || !h.Present.Has(message.XForwardedFor) {
		return remote
	}
	for i := len(h.Fields) - 1; i >= 0; i-- {
		f := &h.Fields[i]
		if f.ID != message.XForwardedFor {
			continue
		}
		for list := h.Value(f); len(list) > 0; {
			e := list
			if j := bytes.LastIndexByte(list, ','); j >= 0 {
				e, list = list[j+1:], list[:j]
			} else {
				list = nil
			}
			if e = message.TrimSpace(e); len(e) == 0 {
				continue // an empty element of a list counts for nothing (RFC 9110 section 5.6.1.2)
			}
			addr, ok := forwardedAddr(e)
			if !ok {
				return remote
			}
			if remote = addr; !netio.Within(trusted, addr) {
				return remote
			}
		}
	}
	return remote
}

// remote is the address of the client, as the access log has it; the zero Addr where even the peer's is not known.
func (d *Decision) remote(c *Client) netip.Addr {
	if d.RemoteIP.IsValid() {
		return d.RemoteIP
	}
	addr, err := netip.ParseAddr(c.IP)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// forwardedAddr reads one element of X-Forwarded-For, which is an address. Some proxies write it with a port, in
// brackets, or in quotes as in Forwarded (RFC 7239 section 6). An IPv4 address that is written as an
// IPv6 one is taken for the former; a zone is left out.
func forwardedAddr(e []byte) (netip.Addr, bool) {
	if n := len(e); n > 2 && e[0] == '"' && e[n-1] == '"' {
		e = e[1 : n-1]
	}
	host := e
	switch colon := bytes.IndexByte(e, ':'); {
	case e[0] == '[':
		end := bytes.IndexByte(e, ']')
		if end < 0 || !portOrNothing(e[end+1:]) {
			return netip.Addr{}, false
		}
		host = e[1:end]
	case colon >= 0 && bytes.IndexByte(e[colon+1:], ':') < 0: // one colon: not IPv6
		if !portOrNothing(e[colon:]) {
			return netip.Addr{}, false
		}
		host = e[:colon]
	}
	// ParseAddr keeps the text in its error only, which is not kept: no copy is needed.
	addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(host), len(host)))
	if err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(addr.As16()).Unmap(), true // without a zone, whose text would have to be kept
}

// portOrNothing tells whether b is empty, or a colon and a port.
func portOrNothing(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) < 2 || len(b) > len(":65535") {
		return false
	}
	for _, c := range b[1:] {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// markClaims marks what a client that is not trusted says about itself, so that it is not passed on. These are
// X-Forwarded-* of any name, Forwarded (RFC 7239) and X-Real-IP. Apps believe these fields, so they may only come from
// a proxy that the operator trusts. No such proxy writes them with underscores; one may have passed on what a client
// wrote so. The fields that the gateway writes itself are left to the writer of the head.
func markClaims(h *message.Head, c *Client) {
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.Other || f.Hop {
			continue
		}
		if name := h.Name(f); IsClaim(name) && (!c.Trusted || bytes.IndexByte(name, '_') >= 0) {
			f.Hop = true
		}
	}
}

// IsClaim tells whether a field of that name says who the client is, or how it came. Apps for which an underscore is a
// hyphen take X_Real_IP for X-Real-IP.
func IsClaim(name []byte) bool {
	if len(name) < len("forwarded") {
		return false
	}
	switch name[0] | 0x20 {
	case 'f':
		return message.EqualFold(name, "forwarded")
	case 'x':
		const forwarded = "x-forwarded-"
		return message.EqualSpelling(name, "x-real-ip") ||
			len(name) > len(forwarded) && message.EqualSpelling(name[:len(forwarded)], forwarded)
	}
	return false
}
