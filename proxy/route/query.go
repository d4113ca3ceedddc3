package route

import "bytes"

// parameterText is one parameter of a query, as it was written.
type parameterText struct {
	whole, name, value []byte
}

var (
	equals    = []byte("=")
	ampersand = []byte("&")
)

// cutParameter takes the first parameter off a query.
func cutParameter(query []byte) (first parameterText, rest []byte) {
	first.whole, rest, _ = bytes.Cut(query, ampersand)
	first.name, first.value, _ = bytes.Cut(first.whole, equals)
	return first, rest
}
