package consul

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// fault is a response of Consul that must not change anything, or no response.
type fault struct {
	class telemetry.DiscoveryClass
	err   error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(class telemetry.DiscoveryClass, format string, args ...any) error {
	return &fault{class: class, err: fmt.Errorf(format, args...)}
}

// classOf sorts an error; what was not sorted did not come from Consul.
func classOf(err error) telemetry.DiscoveryClass {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.class
	}
	return telemetry.DiscoveryTransport
}

// Errors that look like responses.
var (
	// errFiltered: some of it was left out, and what is left must
	// not be taken for all there is.
	errFiltered = &fault{telemetry.DiscoveryACL, errors.New("filtered by ACLs: the token may not read all of it")}

	// errAnonymous: without a token, where the default is to deny, Consul does
	// not say that it filtered.
	errAnonymous = &fault{telemetry.DiscoveryACL,
		errors.New("nothing found, without a token while ACLs deny by default")}

	// errOutdated: a transaction was not made, since what it builds on has changed.
	errOutdated = errors.New("something has changed meanwhile")

	errTooLarge = &fault{telemetry.DiscoveryServer, errors.New("response is over the limit")}
)

// unknownToken is in what Consul says where there is no such token, or none any more.
const unknownToken = "ACL not found"

// statusFault is the error of a response that is neither 200 nor 404.
func statusFault(status int, header http.Header, text string) error {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	class := telemetry.DiscoveryServer
	switch {
	case status == http.StatusForbidden,
		strings.Contains(text, "Permission denied"), strings.Contains(text, unknownToken):
		class = telemetry.DiscoveryACL
	case status == http.StatusTooManyRequests:
		class = telemetry.DiscoveryLimit
	case strings.Contains(text, "boolean expression"): // of a filter; the status of 1.22 is 500
		class = telemetry.DiscoveryQuery
	case status == http.StatusConflict:
		return &fault{class, fmt.Errorf("status %d: %w: %s", status, errOutdated, text)}
	case status/100 == 3:
		// Followed, it would carry the token to wherever it points.
		text = fmt.Sprintf("redirect to %q is not followed", header.Get("Location"))
	}
	return faultf(class, "status %d: %s", status, text)
}

// How long to wait after errors: the first wait, and the longest. A watch is woken sooner when
// Consul responds to a probe or to another watch.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 15 * time.Second

	// An agent that refuses does not change its mind within a second. For the first minute or so it
	// is asked every 2 s, as long as rights are being mended; then ever less often.
	refusedFirst = 2 * time.Second
	refusedOften = 30 // times
	refusedMost  = 60 * time.Second

	// A result that is over the limit is expensive to fetch, and seldom becomes small.
	largeAgain = 5 * time.Minute
)

// backoff is how long to wait after the given number of errors in a row, before
// jitter: doubling from the first wait to the longest.
func backoff(class telemetry.DiscoveryClass, fails int) time.Duration {
	first, most := retryFirst, retryMost
	switch class {
	case telemetry.DiscoveryACL, telemetry.DiscoveryQuery:
		first, most, fails = refusedFirst, refusedMost, max(1, fails-refusedOften)
	case telemetry.DiscoveryLimit:
		first, fails = refusedFirst, max(1, fails-refusedOften)
	}
	wait := first
	for i := 1; i < fails && wait < most; i++ {
		wait *= 2
	}
	return min(wait, most)
}
