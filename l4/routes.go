package l4

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// anyName is the host of the route for whatever no other names.
const anyName = "*"

// routes finds the cluster for the name that a client asks for. It never changes once it is built.
type routes struct {
	exact    map[string]*upstream
	wildcard map[string]*upstream // by what follows the star: ".example.com"
	other    *upstream            // nil: no name, no connection
}

func (r *routes) add(host string, to *upstream) {
	suffix, wild := config.WildcardSuffix(host)
	switch {
	case host == anyName:
		r.other = to
	case wild:
		if r.wildcard == nil {
			r.wildcard = map[string]*upstream{}
		}
		r.wildcard[suffix] = to
	default:
		if r.exact == nil {
			r.exact = map[string]*upstream{}
		}
		r.exact[host] = to
	}
}

// find returns nil if no route has the name, which is lower-case. Exact names come first, then the longest wildcard
// (any depth below, never the bare name), then the default.
func (r *routes) find(name string) *upstream {
	if to := r.exact[name]; to != nil {
		return to
	}
	if len(r.wildcard) > 0 {
		for i := config.NextSuffix(name, 0); i > 0; i = config.NextSuffix(name, i) {
			if to := r.wildcard[name[i:]]; to != nil {
				return to
			}
		}
	}
	return r.other
}
