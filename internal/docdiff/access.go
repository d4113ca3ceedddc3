package docdiff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// accessKeys are the keys of routes and listeners that say who may use them.
var accessKeys = []string{"allow", "deny", "basic_auth", "external_auth"}

// letsIn says of which routes and listeners that stay it changes who may use them.
func letsIn(changes []Change, next *config.Document) []string {
	var restricted map[[2]string]bool // made when it is needed
	var all []string
	for _, c := range changes {
		keys := accessChanged(c)
		if len(keys) == 0 {
			continue
		}
		if restricted == nil {
			restricted = restrictedOf(next)
		}
		if restricted[[2]string{c.Kind, c.Name}] {
			all = append(all, fmt.Sprintf("%s %s: lets in others than before, by %s", c.Kind, c.Name,
				strings.Join(keys, " and ")))
		} else {
			all = append(all, fmt.Sprintf("%s %s: lets in everybody", c.Kind, c.Name))
		}
	}
	return all
}

// accessChanged are those of accessKeys of which c changes something.
func accessChanged(c Change) []string {
	if c.What != Changed {
		return nil
	}
	var keys []string
	for _, key := range accessKeys {
		if slices.ContainsFunc(c.Fields, func(f Field) bool { return strings.HasPrefix(f.Path+".", key+".") }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// restrictedOf has the routes and listeners that do not let in everybody, by kind and name.
func restrictedOf(d *config.Document) map[[2]string]bool {
	all := map[[2]string]bool{}
	for i := range d.Routes {
		r := &d.Routes[i]
		all[[2]string{"route", r.Name}] = r.Restricted()
	}
	for i := range d.Listeners {
		l := &d.Listeners[i]
		all[[2]string{"listener", l.Name}] = l.Allow.Given() || l.Deny.Given()
	}
	return all
}
