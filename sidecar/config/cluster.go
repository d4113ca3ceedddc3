package config

import "time"

// What a cluster's endpoints speak; ProtocolTCP is the fourth.
const (
	ProtocolHTTP1 = "http1"
	ProtocolHTTP2 = "http2" // h2c by prior knowledge, h2 by ALPN under TLS
	ProtocolAuto  = "auto"  // by ALPN
)

// How a cluster chooses an endpoint.
const (
	BalanceWRR          = "wrr" // smooth weighted round robin
	BalanceLeastRequest = "least_request"
	BalanceRandom       = "random"
)

// What a cluster does when no endpoint is healthy.
const (
	PanicWhenNoneHealthy = "when_none_healthy" // use them all
	PanicNever           = "never"             // use none
)

// PROXY protocol versions a cluster's connections may begin with.
const (
	ProxyProtocolV1 = "v1"
	ProxyProtocolV2 = "v2"
)

// Cluster is a set of endpoints that are as good as each other.
type Cluster struct {
	Name          string
	Endpoints     []Endpoint
	Consul        Consul // also, or only, from the catalog
	Protocol      string
	Balance       string
	Panic         string
	TLS           ClusterTLS
	PassiveHealth PassiveHealth
	HealthCheck   HealthCheck
	Limits        ClusterLimits
	Keepalive     Keepalive
	ProxyProtocol string // "", "v1" or "v2": written to each new connection
}

// Endpoint is one address of a cluster.
type Endpoint struct {
	Address string // host:port
	Weight  int    // 0 (no traffic) to 65535
}

// Consul names the catalog service whose instances are endpoints.
type Consul struct {
	Service     string // empty = none
	Tag         string
	Datacenter  string
	OnlyPassing bool // leave out instances with warnings
}

// PassiveHealth is when an endpoint that fails is left out for a while.
type PassiveHealth struct {
	ConsecutiveFailures int // 0 = never ejected
	BaseEjection        time.Duration
	MaxEjection         time.Duration
	MaxEjectedPercent   int
}

// Kinds of active health check.
const (
	HealthCheckHTTP = "http"
	HealthCheckTCP  = "tcp"
	HealthCheckGRPC = "grpc"
)

// HealthCheck asks endpoints how they are; an empty Type is no check.
type HealthCheck struct {
	Type               string
	Path               string // http
	Host               string // http, grpc: authority; empty = the endpoint's address
	Service            string // grpc
	Statuses           []int  // http; none = any 2xx
	Interval           time.Duration
	Timeout            time.Duration
	HealthyThreshold   int // successes in a row until it is healthy again
	UnhealthyThreshold int // failures in a row until it is unhealthy
}

// ClusterLimits bound what a cluster is given at a time.
type ClusterLimits struct {
	MaxConnections int     // 0 = no limit but the gateway's
	MaxPending     int     // requests that wait for a connection; 0 = none waits
	MaxRequests    int     // requests in flight; 0 = no limit
	RetryBudget    float64 // retries as a share of live requests
}

// Keepalive is how many idle connections an endpoint keeps, and how long.
type Keepalive struct {
	MaxIdle     int // 0 = none
	IdleTimeout time.Duration
}
