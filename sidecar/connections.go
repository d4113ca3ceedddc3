package sidecar

import (
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

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

// limit is that of connections, which leaves the reserve of descriptors to what is no traffic.
func (b *Bootstrap) limit() *netio.Limit {
	limit, ok := fdLimit()
	if !ok {
		return netio.NewLimit(b.connections())
	}
	return netio.NewDescriptorLimit(b.connections(), int(max(limit-fdReserve, 1)))
}

// connectionsFor is the connections that a descriptor limit allows: never more than it has room for, and one where
// there is hardly any.
func connectionsFor(limit int64) int { return int(min(max((limit-fdReserve)/2, 1), manyConnections)) }

// tooManyConnections says what is wrong with n connections under a descriptor limit; empty: nothing. Without this the
// limit would be met in service, where it fails accepts, connects to endpoints and the admin port alike.
func tooManyConnections(n int, limit int64) string {
	most := connectionsFor(limit)
	if n <= most {
		return ""
	}
	return fmt.Sprintf("the process may open %d files, which is enough for %d connections (two for each, %d for the "+
		"rest): write %d or less, or raise the limit (LimitNOFILE=, ulimit -n) to %d", limit, most, fdReserve, most,
		2*int64(n)+fdReserve)
}
