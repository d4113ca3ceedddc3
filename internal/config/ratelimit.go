package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// What a rate limit counts by.
const (
	RateLimitRoute    = "route"     // all requests of the route together
	RateLimitRemoteIP = "remote_ip" // each client address
	RateLimitHeader   = "header:"   // followed by a field name: each of its values
)

// RateLimit is a token bucket in front of a route.
type RateLimit struct {
	Rate  float64 // requests a second; 0 = no limit
	Burst int     // bucket size
	Key   string
}

// String says what it is, as explain shows it: "10 a second, 20 at once, for each remote_ip"; empty for none.
func (l RateLimit) String() string {
	if l.Rate == 0 {
		return ""
	}
	s := decimal(l.Rate) + " a second, " + strconv.Itoa(l.Burst) + " at once"
	if l.Key != RateLimitRoute {
		s += ", for each " + l.Key
	}
	return s
}

var rateLimitBlock = block[RateLimit]{
	form: "{rate: 10, burst: 20}",
	fields: []field[RateLimit]{
		at("rate", func(l *RateLimit) *float64 { return &l.Rate }, share(0.001, 1e6)),
		at("burst", func(l *RateLimit) *int { return &l.Burst }, count(1, 1e6)),
		at("key", func(l *RateLimit) *string { return &l.Key }, rateLimitKey),
	},
	begin: func(d *decoder, l *RateLimit) { l.Key = RateLimitRoute },
	end: func(d *decoder, n *yaml.Node, l *RateLimit) {
		if !has(n, "rate") {
			d.problem(n, "rate is missing (requests a second)")
		}
		if !has(n, "burst") {
			l.Burst = int(math.Ceil(l.Rate)) // a second's worth
		}
	},
}

var rateLimitKey = text(func(s string) (string, error) {
	field, byHeader := strings.CutPrefix(s, RateLimitHeader)
	switch {
	case s == RateLimitRoute, s == RateLimitRemoteIP:
		return s, nil
	case byHeader && isToken(field):
		return strings.ToLower(s), nil
	}
	return "", errors.New("want route, remote_ip or header:NAME")
})
