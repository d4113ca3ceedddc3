package http1

import (
	"errors"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// The preface of HTTP/2 is told from a request however it is cut into pieces, and nothing of it is used up.
func TestHTTP2PrefaceInPieces(t *testing.T) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for n := 1; n < len(preface); n++ {
		r := reader(DefaultLimits(), preface[:n], preface[n:])
		var h message.Head
		if err := r.ReadRequest(&h); !errors.Is(err, ErrHTTP2Preface) {
			t.Errorf("%q, %q: %v", preface[:n], preface[n:], err)
			continue
		}
		want := preface
		if n >= len(http2Preface) {
			want = preface[:n] // the rest has not been read
		}
		if got := string(r.Take()); got != want {
			t.Errorf("%q, %q: %q is left", preface[:n], preface[n:], got)
		}
	}
}

// What only looks like the preface is a request of a version that is not known.
func TestNotTheHTTP2Preface(t *testing.T) {
	for _, in := range []string{
		"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n", "PRI * HTTP/2.1\r\n\r\n",
		"PRJ * HTTP/2.0\r\n\r\n",
	} {
		var h message.Head
		if err := reader(DefaultLimits(), in).ReadRequest(&h); err == nil || errors.Is(err, ErrHTTP2Preface) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
