package l4

import "strings"

// anyName is the host of the route for whatever no other names.
const anyName = "*"

// routes finds the cluster for the name that a client asks for. It never changes once it is built.
type routes struct {
	exact    map[string]*upstream
	wildcard map[string]*upstream // by what follows the star: ".example.com"
	other    *upstream            // nil: no name, no connection
}

func (r *routes) add(host string, to *upstream) {
	suffix, wild := strings.CutPrefix(host, "*")
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

// find returns nil if no route has the name, which is lower-case: exact names first, then the longest wildcard (any depth below, never the bare
// name), then the default.
func (r *routes) find(name string) *upstream {
	if to := r.exact[name]; to != nil {
		return to
	}
	for rest := name; len(r.wildcard) > 0; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			break
		}
		if to := r.wildcard[rest[dot:]]; to != nil && dot > 0 {
			return to
		}
		rest = rest[dot+1:]
	}
	return r.other
}
