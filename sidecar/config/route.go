package config

import "time"

// Route sends the requests that match to one or several clusters.
type Route struct {
	Name      string
	Match     Match
	Listeners []string          // names, sorted; none = every HTTP listener
	Clusters  []WeightedCluster // one or more; `cluster: x` is one of weight 1

	EndpointHost  bool   // preserve_host: false. The upstream's Host is the endpoint's address, else the inbound Host
	HostRewrite   string // wins over both when set
	PrefixRewrite string // replaces the matched prefix when set; "/" or without trailing slash

	Timeouts  RouteTimeouts
	Retries   Retries
	Upgrades  []string // protocols that may be upgraded to, lower-case; default websocket
	RateLimit RateLimit
}

// Match is what a request must be like; what is empty does not restrict.
type Match struct {
	Host       string        // lower-case, exact or "*.example.com"
	PathPrefix string        // whole segments, normalised; "/" or without trailing slash
	Methods    []string      // sorted
	Headers    []HeaderMatch // sorted by name
}

// HeaderMatch is one field that must have exactly this value.
type HeaderMatch struct {
	Name  string // lower-case
	Value string
}

// WeightedCluster is a cluster's share of a route's requests.
type WeightedCluster struct {
	Name   string
	Weight int // 0 (no traffic) to 65535
}

// RouteTimeouts are the timeouts of one exchange; 0 is none.
type RouteTimeouts struct {
	Upstream     time.Duration // request sent -> response head
	UpstreamGRPC time.Duration // the same for gRPC: the route's own timeouts.upstream, else none
	Request      time.Duration // whole exchange
	ResponseIdle time.Duration // longest silence of the upstream inside a body
	Write        time.Duration // longest stall of one write to the client
}

// What a request may be tried again on, besides a status code from 500 to 599.
const (
	RetryConnectFailure = "connect-failure" // no connection, so no byte was sent
	RetryReset          = "reset"           // upstream broke off before the response head
	RetryTimeout        = "timeout"         // per_try_timeout or upstream timeout, before the response head
	RetryUnavailable    = "unavailable"     // gRPC status UNAVAILABLE
)

// Retries is how often and why a request is sent again.
type Retries struct {
	Attempts      int           // tries in all; 1 = never again
	On            []string      // the words above and status codes
	PerTryTimeout time.Duration // 0 = only the route's timeouts
}

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
