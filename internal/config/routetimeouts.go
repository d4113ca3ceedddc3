package config

import (
	"time"

	"go.yaml.in/yaml/v4"
)

// RouteTimeouts are the timeouts of one exchange; 0 is none.
type RouteTimeouts struct {
	Upstream     time.Duration // request sent -> response head
	UpstreamGRPC time.Duration // the same for gRPC: the route's own timeouts.upstream, else none
	Request      time.Duration // whole exchange
	ResponseIdle time.Duration // longest silence of the upstream inside a body
	Write        time.Duration // longest stall of one write to the client
}

var routeTimeoutsBlock = block[RouteTimeouts]{
	form: "{upstream: 5s}",
	fields: []field[RouteTimeouts]{
		at("upstream", func(t *RouteTimeouts) *time.Duration { return &t.Upstream }, duration(true)).when(ownUpstream),
		at("request", func(t *RouteTimeouts) *time.Duration { return &t.Request }, duration(true)).optional(),
		at("response_idle", func(t *RouteTimeouts) *time.Duration { return &t.ResponseIdle },
			duration(true)).optional(),
		at("write", func(t *RouteTimeouts) *time.Duration { return &t.Write }, duration(false)),
	},
	end: func(d *decoder, n *yaml.Node, t *RouteTimeouts) {
		if has(n, "upstream") {
			t.UpstreamGRPC = t.Upstream
		}
	},
}

// ownUpstream tells whether the route itself names its upstream timeout: only
// then does it bind gRPC, whose streams the common one would cut.
func ownUpstream(t *RouteTimeouts) bool { return t.UpstreamGRPC == t.Upstream }
