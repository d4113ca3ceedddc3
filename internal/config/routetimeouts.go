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

// EffectiveTimeouts are those of a request on the route, each key of both blocks that is about one. t are those of the
// route's document, b is what the document was read with.
func (r *Route) EffectiveTimeouts(t Timeouts, b Base, grpc bool) []Setting {
	boot, standard := b.orStandard().Timeouts, Standard().Timeouts
	common := func(name string, get func(*Timeouts) time.Duration) Setting {
		return Setting{name, DurationText(get(&t)), origin(get(&t), get(&boot), get(&standard))}
	}
	own := func(name string, d time.Duration) Setting {
		return Setting{name, DurationText(d), either(d != 0, OriginRoute, OriginDefault)}
	}
	upstream := common("upstream", func(t *Timeouts) time.Duration { return t.Upstream })
	switch {
	case grpc: // the common one is not for gRPC
		upstream = own("upstream", r.Timeouts.UpstreamGRPC)
	case r.Timeouts.Upstream != t.Upstream || r.Timeouts.Upstream != 0 && ownUpstream(&r.Timeouts):
		upstream = Setting{"upstream", DurationText(r.Timeouts.Upstream), OriginRoute}
	}
	write := common("write", func(t *Timeouts) time.Duration { return t.Write })
	if r.Timeouts.Write != t.Write {
		write = Setting{"write", DurationText(r.Timeouts.Write), OriginRoute}
	}
	return []Setting{
		common("read", func(t *Timeouts) time.Duration { return t.Read }),
		common("connect", func(t *Timeouts) time.Duration { return t.Connect }),
		upstream,
		own("request", r.Timeouts.Request),
		own("response_idle", r.Timeouts.ResponseIdle),
		write,
		common("tcp_idle", func(t *Timeouts) time.Duration { return t.TCPIdle }),
	}
}
