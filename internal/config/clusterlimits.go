package config

// ClusterLimits bound what a cluster is given at a time.
type ClusterLimits struct {
	MaxConnections int     // 0 = no limit but the gateway's
	MaxPending     int     // requests that wait for a connection; 0 = none waits
	MaxRequests    int     // requests in flight; 0 = no limit
	RetryBudget    float64 // retries as a share of live requests
}

// standardClusterLimits leave it to GATEWAY_MAX_CONNECTIONS how much there is in
// all; only retries are held back from the start, since they multiply an outage.
func standardClusterLimits() ClusterLimits {
	return ClusterLimits{MaxPending: 256, RetryBudget: 0.2}
}

var clusterLimitsBlock = block[ClusterLimits]{
	form: "{max_connections: 1024}",
	fields: []field[ClusterLimits]{
		at("max_connections", func(l *ClusterLimits) *int { return &l.MaxConnections }, count(0, 1e6)),
		at("max_pending", func(l *ClusterLimits) *int { return &l.MaxPending }, count(0, 1e6)),
		at("max_requests", func(l *ClusterLimits) *int { return &l.MaxRequests }, count(0, 1e6)),
		at("retry_budget", func(l *ClusterLimits) *float64 { return &l.RetryBudget }, share(0, 1)),
	},
}
