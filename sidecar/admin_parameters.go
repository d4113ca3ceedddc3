package sidecar

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// errUnknownParameter is wrapped by the error of parameters for a name that the endpoint does not know.
var errUnknownParameter = errors.New("is none of")

// parameters reads the query of an admin endpoint, which knows these names. Each may be there once; those of often also
// more often. The error says what is wrong with the first name, by the alphabet, that is wrong.
func parameters(query string, names []string, often ...string) (url.Values, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch n := len(values[name]); {
		case !slices.Contains(names, name):
			return nil, fmt.Errorf("parameter %q: %w %s", name, errUnknownParameter, strings.Join(names, ", "))
		case n > 1 && !slices.Contains(often, name):
			return nil, fmt.Errorf("%s: is there %d times", name, n)
		}
	}
	return values, nil
}
