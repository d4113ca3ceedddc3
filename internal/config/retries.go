package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// What a request may be tried again on, besides a status code from 500 to 599.
const (
	RetryConnectFailure = "connect-failure" // no connection, so no byte was sent
	RetryReset          = "reset"           // upstream broke off before the response head
	RetryTimeout        = "timeout"         // per_try_timeout or upstream timeout, before the response head
	RetryUnavailable    = "unavailable"     // gRPC status UNAVAILABLE
)

// Retries is how often and why a request is sent again.
type Retries struct {
	Attempts      int           // attempts in all; 1 = never again
	On            []string      // the words above and status codes
	PerTryTimeout time.Duration // 0 = only the route's timeouts
}

var retriesBlock = block[Retries]{
	form: "{attempts: 3, on: [connect-failure, reset]}",
	fields: []field[Retries]{
		at("attempts", func(r *Retries) *int { return &r.Attempts }, count(1, 10)),
		at("on", func(r *Retries) *[]string { return &r.On }, listOf(retryReason).then(checkReasons)),
		at("per_try_timeout", func(r *Retries) *time.Duration { return &r.PerTryTimeout }, duration(true)).optional(),
	},
	begin: func(d *decoder, r *Retries) {
		r.Attempts = 2
		r.On = []string{RetryConnectFailure} // what is safe for every method
	},
}

func retried(r *Route) bool {
	return r.Retries.Attempts != 1 || len(r.Retries.On) > 0 || r.Retries.PerTryTimeout != 0
}

func checkReasons(d *decoder, n *yaml.Node, on *[]string) {
	if len(*on) == 0 {
		d.problem(n, "want at least one reason (seen an empty list)")
	}
	d.onlyOnce(n, *on)
}

// retryReason is a word, or a status code with or without quotes.
var retryReason = kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		s, ok := d.scalar(n, "a reason such as connect-failure or 503", "!!str", "!!int")
		if !ok {
			return
		}
		if err := checkReason(s); err != nil {
			d.problem(n, "%s (%s)", err, seen(n))
			return
		}
		*v = s
	},
	encode: func(e *encoder, v *string) { e.text(*v) },
}

func checkReason(s string) error {
	words := []string{RetryConnectFailure, RetryReset, RetryTimeout, RetryUnavailable}
	if slices.Contains(words, s) {
		return nil
	}
	if code, err := strconv.Atoi(s); err == nil && code >= 500 && code <= 599 && len(s) == 3 {
		return nil
	}
	return errors.New("want one of " + strings.Join(words, ", ") + ", or a status from 500 to 599")
}
