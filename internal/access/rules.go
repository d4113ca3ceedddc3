// Package access decides who may: by the networks and the certificates' names that a document allows and denies.
//
// # Promises
//
// Deny is asked first. Each list of allow restricts by itself: who must be in a network and have a name needs both.
// Each list of deny refuses by itself. So no list ever lets in whom another keeps out, and it does not matter which is
// asked first. Who is not known (no address, no certificate) is in no list of allow. An address that is not known is
// refused where networks are denied. A question allocates nothing. Rules are immutable.
//
// # Not here
//
// The address and the names come from the connection, its PROXY header, trusted proxies, and the certificate of the TLS
// session (proxy, l4, mtls). What a client writes never counts.
package access

import (
	"net/netip"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/identity"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Refusal is why a client may not.
type Refusal uint8

// The refusals.
const (
	None Refusal = iota // the client may
	SourceDenied
	SourceNotAllowed
	IdentityDenied
	IdentityNotAllowed
	NoIdentity
	Count // of the refusals, and None
)

// Error is a sentence without its full stop.
func (r Refusal) Error() string {
	switch r {
	case SourceDenied:
		return "the client's address is in deny.sources"
	case SourceNotAllowed:
		return "the client's address is not in allow.sources"
	case IdentityDenied:
		return "the client's certificate has a name of deny.identities"
	case IdentityNotAllowed:
		return "the client's certificate has no name of allow.identities"
	case NoIdentity:
		return "the client has shown no certificate with a name, as allow.identities wants"
	}
	return ""
}

// Rules say who may use a route or a listener. The nil Rules let in everybody.
type Rules struct{ allow, deny config.Access }

// New returns the rules of what a document allows and denies, nil where it says nothing.
func New(allow, deny config.Access) *Rules {
	if !allow.Given() && !deny.Given() {
		return nil
	}
	return &Rules{allow: allow, deny: deny}
}

// BySource tells whether the address of a client matters.
func (r *Rules) BySource() bool { return r != nil && len(r.allow.Sources)+len(r.deny.Sources) > 0 }

// ByIdentity tells whether the names of a client matter.
func (r *Rules) ByIdentity() bool {
	return r != nil && len(r.allow.Identities)+len(r.deny.Identities) > 0
}

// Source is why a client at that address may not. None: as far as the address goes, it may.
func (r *Rules) Source(addr netip.Addr) Refusal {
	switch {
	case r == nil:
	case len(r.deny.Sources) > 0 && (!addr.IsValid() || netio.Within(r.deny.Sources, addr)):
		return SourceDenied
	case len(r.allow.Sources) > 0 && !netio.Within(r.allow.Sources, addr):
		return SourceNotAllowed
	}
	return None
}

// Identity is why a client whose certificate has these names may not. None: as far as they go, it may.
func (r *Rules) Identity(names []identity.Name) Refusal {
	switch {
	case r == nil:
	case anyFits(r.deny.Identities, names):
		return IdentityDenied
	case len(r.allow.Identities) == 0 || anyFits(r.allow.Identities, names):
	case len(names) == 0:
		return NoIdentity
	default:
		return IdentityNotAllowed
	}
	return None
}

func anyFits(wanted []identity.Pattern, names []identity.Name) bool {
	for _, n := range names {
		for _, p := range wanted {
			if p.Fits(n) {
				return true
			}
		}
	}
	return false
}
