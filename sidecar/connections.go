package sidecar

const (
	// fdReserve is kept for what is no traffic: the admin port, Consul, the collector, files.
	fdReserve = 64
	// fewConnections is what is allowed where the system's limit is unknown.
	fewConnections = 256
	// manyConnections bounds what is allowed where there is no limit worth the name.
	manyConnections = 1 << 20
)

// connections is how many connections may be accepted at a time: what the operator says, else half of what the
// descriptor limit leaves, since each needs a second one upstream.
func (b *Bootstrap) connections() int {
	if b.MaxConnections > 0 {
		return b.MaxConnections
	}
	limit, ok := fdLimit()
	if !ok {
		return fewConnections
	}
	return connectionsFor(limit)
}

// connectionsFor is the connections that a descriptor limit allows: never more than it has room for, and one where
// there is hardly any.
func connectionsFor(limit int64) int { return int(min(max((limit-fdReserve)/2, 1), manyConnections)) }
