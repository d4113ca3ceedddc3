package forward

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Idempotent methods are sent again as long as their body is kept. POST and PATCH are sent again only where the route
// asks for retries on resets, and others never.
func TestReplayable(t *testing.T) {
	const always, onReset, no = "always", "where on names reset", "never"
	for method, when := range map[string]string{
		"GET": always, "HEAD": always, "OPTIONS": always, "TRACE": always, "PUT": always, "DELETE": always,
		"POST": onReset, "PATCH": onReset, "CONNECT": no, "PROPFIND": no, "get": no, "": no,
	} {
		for on, p := range map[string]route.RetryPolicy{
			"reset": {Reset: true}, "nothing": {}, "all but reset": {Connect: true, Timeout: true, Unavailable: true},
		} {
			m := telemetry.ParseMethod([]byte(method))
			want := when == always || when == onReset && on == "reset"
			if got := replayable(&p, m, true); got != want {
				t.Errorf("%q on %s: %v, want %v", method, on, got, want)
			}
			if replayable(&p, m, false) {
				t.Errorf("%q on %s, a part of the body is gone: replayable", method, on)
			}
		}
	}
}

// Every flag that an attempt can end with, against every word of a policy, sent and unsent, and what is kept of the
// request. What has no row is not sent again.
func TestRetryable(t *testing.T) {
	policies := map[string]route.RetryPolicy{
		"nothing": {}, "connect-failure": {Connect: true}, "reset": {Reset: true}, "timeout": {Timeout: true},
		"unavailable": {Unavailable: true},
	}
	// The columns: a part of the body is gone; the body is kept; the body is kept and the request is replayable.
	kinds := []failedAttempt{{}, {bodyKept: true}, {bodyKept: true, replayable: true}}
	type key struct {
		on   string
		flag telemetry.Flag
		grpc bool
	}
	rows := map[key]struct{ sent, unsent string }{
		{"connect-failure", telemetry.UF, false}: {"--y", "-yy"},
		{"connect-failure", telemetry.UF, true}:  {"--y", "-yy"},
		{"connect-failure", telemetry.UC, false}: {"---", "-yy"},
		{"connect-failure", telemetry.UC, true}:  {"---", "-yy"},
		{"reset", telemetry.UC, false}:           {"--y", "-yy"},
		{"reset", telemetry.UC, true}:            {"--y", "-yy"},
		{"timeout", telemetry.UT, false}:         {"--y", "-yy"},
		{"timeout", telemetry.UT, true}:          {"--y", "-yy"},
		{"unavailable", telemetry.UF, true}:      {"--y", "-yy"}, // a caller of gRPC would see UNAVAILABLE
		{"unavailable", telemetry.UC, true}:      {"---", "-yy"},
	}
	for on, p := range policies {
		for flag := telemetry.NoFlag; flag.String() != "" || flag == telemetry.NoFlag; flag++ {
			for _, grpc := range []bool{false, true} {
				want := rows[key{on, flag, grpc}]
				for _, unsent := range []bool{false, true} {
					columns := want.sent
					if unsent {
						columns = want.unsent
					}
					if columns == "" {
						columns = "---"
					}
					got := strings.Builder{}
					for _, a := range kinds {
						a.flag, a.grpc, a.unsent = flag, grpc, unsent
						got.WriteByte(map[bool]byte{false: '-', true: 'y'}[retryable(&p, a)])
					}
					if got.String() != columns {
						t.Errorf("on %s: flag %v, gRPC %v, unsent %v: %s, want %s (lost, kept, replayable)", on, flag,
							grpc, unsent, got.String(), columns)
					}
				}
			}
		}
	}
}

// The longest pause doubles from 25 ms to 250 ms.
func TestBackoffLimit(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 25, 2: 50, 3: 100, 4: 200, 5: 250, 6: 250, 9: 250, 10: 250,
		100: 250} {
		if got := backoffLimit(n); got != want*time.Millisecond {
			t.Errorf("behind attempt %d: %v, want %v ms", n, got, int(want))
		}
	}
}
