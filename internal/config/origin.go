package config

import "time"

// Who said a value that is in force.
const (
	OriginRoute     = "route"
	OriginDocument  = "document"
	OriginBootstrap = "bootstrap"
	OriginDefault   = "default"
)

// Setting is a value that is in force, and who said it. A document keeps values and
// not how they were written, so this is found out by comparing: a value that is
// said again, the same as it was below, counts as said below.
type Setting struct {
	Name  string `json:"name"` // the key
	Value string `json:"value"`
	From  string `json:"from"`
}

// EffectiveTimeouts are those of a request on the route. t are those of the route's
// document, b is what the document was read with.
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

// origin compares a value of a document with what it would have been without one.
func origin[T comparable](v, boot, standard T) string {
	switch {
	case v != boot:
		return OriginDocument
	case v != standard:
		return OriginBootstrap
	}
	return OriginDefault
}
