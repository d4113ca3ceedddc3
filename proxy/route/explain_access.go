package route

import (
	"fmt"
	"net/netip"

	"github.com/fabian4/gateway-homebrew-go/internal/access"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/identity"
)

// AccessInForce is who may use a route, and whether the client may that was asked about.
type AccessInForce struct {
	Allow   AccessList `json:"allow"`
	Deny    AccessList `json:"deny"`
	Refused string     `json:"refused"` // why the client is refused; empty = as far as it is known, it is not
	Unsaid  []string   `json:"unsaid"`  // what of the client decides and was not said: source, identity

	BasicAuth    *PasswordsInForce    `json:"basic_auth"`    // null: no password is asked for
	ExternalAuth *ExternalAuthInForce `json:"external_auth"` // null: no other service is asked
}

// ExternalAuthInForce is which service a route asks, and how.
type ExternalAuthInForce struct {
	Cluster string `json:"cluster"`
	Path    string `json:"path"`
	Timeout string `json:"timeout"`
	OnError string `json:"on_error"`
}

// PasswordsInForce is by what a route asks for a password.
type PasswordsInForce struct {
	File  string `json:"file"`
	Users int    `json:"users"` // in what serves of it
	Realm string `json:"realm"`
}

// AccessList is what a document allows or denies, at most maxShown of each.
type AccessList struct {
	Sources        []string `json:"sources"`
	MoreSources    int      `json:"more_sources"` // that are not listed
	Identities     []string `json:"identities"`
	MoreIdentities int      `json:"more_identities"`
}

const maxShown = 10

// explainAccess tells whether a client with that address and that name may use the route. The zero Addr and the zero
// Name: it was not said.
func (rt *Route) explainAccess(source netip.Addr, name identity.Name) *AccessInForce {
	r := rt.access
	if r == nil && rt.auth == nil && rt.external == nil {
		return nil
	}
	e := &AccessInForce{
		Allow: accessList(&rt.Config.Allow), Deny: accessList(&rt.Config.Deny), Unsaid: []string{},
	}
	why := access.None
	switch {
	case !r.BySource():
	case source.IsValid():
		why = r.Source(source)
	default:
		e.Unsaid = append(e.Unsaid, "source")
	}
	switch {
	case !r.ByIdentity():
	case name == identity.Name{}:
		e.Unsaid = append(e.Unsaid, "identity")
	case why == access.None:
		why = r.Identity([]identity.Name{name})
	}
	e.Refused = why.Error()
	if a := rt.auth; a != nil {
		e.BasicAuth = &PasswordsInForce{File: a.file.Path(), Users: a.file.Users(), Realm: rt.Config.BasicAuth.Realm}
	}
	if rt.external != nil {
		a := rt.external.config
		e.ExternalAuth = &ExternalAuthInForce{a.Cluster, a.Path, config.DurationText(a.Timeout), a.OnError}
	}
	return e
}

func accessList(a *config.Access) AccessList {
	l := AccessList{
		Sources: []string{}, MoreSources: max(0, len(a.Sources)-maxShown),
		Identities: []string{}, MoreIdentities: max(0, len(a.Identities)-maxShown),
	}
	for _, p := range a.Sources[:len(a.Sources)-l.MoreSources] {
		l.Sources = append(l.Sources, p.String())
	}
	for _, p := range a.Identities[:len(a.Identities)-l.MoreIdentities] {
		l.Identities = append(l.Identities, p.String())
	}
	return l
}

// name is the name of the client's certificate that is asked about, the zero Name where none is.
func (q *ExplainRequest) name() (identity.Name, error) {
	if q.Identity == "" {
		return identity.Name{}, nil
	}
	n, err := identity.ParseName(q.Identity)
	if err != nil {
		return n, fmt.Errorf("identity %q: %w", q.Identity, err)
	}
	return n, nil
}
