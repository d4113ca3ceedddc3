package config

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

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

var healthCheckBlock = block[HealthCheck]{
	form: "{type: http, path: /healthz}",
	fields: []field[HealthCheck]{
		at("type", func(h *HealthCheck) *string { return &h.Type },
			word(HealthCheckHTTP, HealthCheckTCP, HealthCheckGRPC)),
		at("path", func(h *HealthCheck) *string { return &h.Path }, requestPath).optional(),
		at("host", func(h *HealthCheck) *string { return &h.Host }, authority.or("")).optional(),
		at("service", func(h *HealthCheck) *string { return &h.Service }, name.or("")).optional(),
		at("statuses", func(h *HealthCheck) *[]int { return &h.Statuses }, listOf(count(100, 599))).optional(),
		at("interval", func(h *HealthCheck) *time.Duration { return &h.Interval }, duration(false)),
		at("timeout", func(h *HealthCheck) *time.Duration { return &h.Timeout }, duration(false)),
		at("healthy_threshold", func(h *HealthCheck) *int { return &h.HealthyThreshold }, count(1, 100)),
		at("unhealthy_threshold", func(h *HealthCheck) *int { return &h.UnhealthyThreshold }, count(1, 100)),
	},
	begin: func(d *decoder, h *HealthCheck) {
		h.Interval = 10 * time.Second
		h.Timeout = 2 * time.Second
		h.HealthyThreshold = 2
		h.UnhealthyThreshold = 3
	},
	end: checkHealthCheck,
}

// checkHealthCheck holds each type to its own keys.
func checkHealthCheck(d *decoder, n *yaml.Node, h *HealthCheck) {
	if !has(n, "type") {
		d.problem(n, "type is missing (http, tcp or grpc)")
	}
	for _, only := range []struct {
		key   string
		types []string
	}{
		{"path", []string{HealthCheckHTTP}},
		{"statuses", []string{HealthCheckHTTP}},
		{"service", []string{HealthCheckGRPC}},
		{"host", []string{HealthCheckHTTP, HealthCheckGRPC}},
	} {
		if has(n, only.key) && h.Type != "" && !slices.Contains(only.types, h.Type) {
			d.problemIn(n, only.key, "a check of type %s has no %s", h.Type, only.key)
		}
	}
	if h.Type == HealthCheckHTTP && !has(n, "path") {
		h.Path = "/"
	}
	if h.Timeout > h.Interval {
		d.problemIn(n, "timeout", "want at most the interval (seen %s, interval is %s)", h.Timeout, h.Interval)
	}
	if v := valueOf(n, "statuses"); v != nil && v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
		d.problemIn(n, "statuses", "want at least one status, leave statuses out for any 2xx (seen an empty list)")
	}
}
