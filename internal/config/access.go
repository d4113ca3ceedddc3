package config

import (
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/fabian4/gateway-homebrew-go/internal/identity"
)

// Access names clients, to be let in or kept out.
type Access struct {
	Sources    []netip.Prefix     // networks; sorted
	Identities []identity.Pattern // of names in clients' certificates; sorted
}

// Given tells whether it names anybody.
func (a *Access) Given() bool { return len(a.Sources)+len(a.Identities) > 0 }

// maxAccess bounds what is asked of each client.
const maxAccess = 1000

var accessBlock = block[Access]{
	form: "{sources: [10.0.0.0/8]}",
	fields: []field[Access]{
		at("sources", func(a *Access) *[]netip.Prefix { return &a.Sources },
			listOf(network).then(checkAccessSources)).optional(),
		at("identities", func(a *Access) *[]identity.Pattern { return &a.Identities },
			listOf(identityPattern).then(checkIdentities)).optional(),
	},
	end: func(d *decoder, n *yaml.Node, _ *Access) {
		if len(n.Content) == 0 {
			d.problem(n, "want sources, identities or both (seen an empty mapping)")
		}
	},
}

var identityPattern = kind[identity.Pattern]{
	decode: func(d *decoder, n *yaml.Node, v *identity.Pattern) {
		s := ""
		text(func(s string) (string, error) {
			p, err := identity.Parse(s)
			if err == nil {
				*v = p
			}
			return s, err
		}).decode(d, n, &s)
	},
	encode: func(e *encoder, v *identity.Pattern) { e.text(v.String()) },
}

func checkIdentities(d *decoder, n *yaml.Node, v *[]identity.Pattern) {
	names := make([]string, len(*v))
	for i, p := range *v {
		names[i] = p.String()
	}
	if len(names) == 0 {
		d.problem(n, "want at least one name, leave identities out for any (seen an empty list)")
	}
	d.onlyOnce(n, names)
	d.checkAccessLength(n)
	slices.SortFunc(*v, func(a, b identity.Pattern) int { return strings.Compare(a.String(), b.String()) })
}

func checkAccessSources(d *decoder, n *yaml.Node, v *[]netip.Prefix) {
	checkNetworks("sources")(d, n, v)
	d.checkAccessLength(n)
}

func (d *decoder) checkAccessLength(n *yaml.Node) {
	if len(n.Content) > maxAccess {
		d.problem(n, "want at most %d items (seen %d)", maxAccess, len(n.Content))
	}
}

// checkListenerAccess looks for rules that a listener could never keep. rules is its block allow or deny, tls that of
// TLS; either may be nil.
func (d *decoder) checkListenerAccess(l *Listener, key string, rules, tls *yaml.Node) {
	if !mentions(rules, "identities") || mentions(tls, "client_ca_file") {
		return
	}
	d.enter(key)
	defer d.leave()
	if l.Protocol == ProtocolTLS {
		d.problemIn(rules, "identities", "protocol tls passes TLS on undecrypted, so no client shows a certificate "+
			"(protocol tcp decrypts)")
		return
	}
	d.problemIn(rules, "identities", "no client is asked for a certificate: the listener needs tls with client_ca_file")
}
