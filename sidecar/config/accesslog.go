package config

// AccessLog is what is written about each request.
type AccessLog struct {
	Enabled  bool
	Sampling float64  // share of successful requests, 0 to 1; 4xx and 5xx are always written
	Fields   []string // in the order wanted; never empty
}

// AccessLogFields lists every field there is, in the default order.
func AccessLogFields() []string {
	return []string{
		"time", "method", "path", "query", "host", "protocol", "status", "duration_ms", "upstream_ms",
		"remote_ip", "user_agent", "referer", "listener", "route", "cluster", "upstream", "attempts",
		"bytes_read", "bytes_written", "flag", "request_id", "trace_id", "revision", "tls_version",
		"client_identity",
	}
}
