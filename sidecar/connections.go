package sidecar

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

const (
	// fdReserve is kept for what is no traffic: the admin port, Consul, the collector, files.
	fdReserve = 64
	// fdOwn is what of the reserve is in use all the while: listeners, logs, epoll, watches of files.
	fdOwn = 24
	// fewConnections is what is allowed where the system's limit is unknown.
	fewConnections = 256
	// manyConnections bounds what is allowed where there is no limit worth the name.
	manyConnections = 1 << 20
)

// connections is how many connections may be accepted at a time. It is what the operator says, else half of what the
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

// Descriptors is how many files the process may open, and for how many connections that is enough. enough says whether
// these are not fewer than an operator may expect, who has chosen no number.
func (b *Bootstrap) Descriptors() (limit int64, connections int, enough bool) {
	limit, ok := fdLimit()
	connections = b.connections()
	return limit, connections, !ok || b.MaxConnections > 0 || connections >= fewConnections
}

// limit is that of connections, which leaves the reserve of descriptors to what is no traffic.
func (b *Bootstrap) limit() *netio.Limit {
	limit, ok := fdLimit()
	if !ok {
		return netio.NewLimit(b.connections())
	}
	return netio.NewDescriptorLimit(b.connections(), int(trafficDescriptors(limit)))
}

// trafficDescriptors is the number below which the descriptors of connections to endpoints are. The process has its own
// there, too.
func trafficDescriptors(limit int64) int64 { return max(limit-fdReserve+fdOwn, 1) }

// connectionsFor is the connections that a descriptor limit allows: never more than it has room for, and one where
// there is hardly any.
func connectionsFor(limit int64) int { return int(min(max((limit-fdReserve)/2, 1), manyConnections)) }

// tooManyConnections says what is wrong with n connections under a descriptor limit; empty: nothing. 0 is the default,
// for which there must be room for one. Without this the limit would be met in service, where it fails accepts,
// connects to endpoints and the admin port alike.
func tooManyConnections(n int, limit int64) string {
	if limit < fdReserve+2 {
		return fmt.Sprintf("the process may open %d files, which is too few for one connection (two for it, %d for "+
			"the rest): raise the limit (LimitNOFILE=, ulimit -n) to %d or more",
			limit, fdReserve, fdReserve+2*fewConnections)
	}
	most := connectionsFor(limit)
	if n <= most {
		return ""
	}
	return fmt.Sprintf("the process may open %d files, which is enough for %d connections (two for each, %d for the "+
		"rest): write %d or less, or raise the limit (LimitNOFILE=, ulimit -n) to %d", limit, most, fdReserve, most,
		2*int64(n)+fdReserve)
}

// limits is what bounds the whole process, and how much of it is in use.
func (s *Sidecar) limits() LimitStatus {
	_, waiting := s.limit.Waits()
	st := LimitStatus{Connections: ConnectionLimit{Used: s.limit.Used(), Max: s.limit.Max(), Waiting: waiting}}
	st.Descriptors.Used, st.Descriptors.Max = descriptors()
	return st
}

// descriptors is how many file descriptors are in use, and how many may be; 0 = the system does not tell.
func descriptors() (used, most int64) {
	most, ok := fdLimit()
	if !ok {
		return 0, 0
	}
	return openDescriptors(), most
}

const (
	limitEvery = time.Second
	// limitFree is for how long no client has waited when the limit counts as free again.
	limitFree = 5 * time.Second
	// limitAgain is the shortest time between two lines about the limit being reached.
	limitAgain = time.Minute
)

// limitWatch tells the log when the limit of connections holds clients, and when it does no more. A limit around which
// the load moves up and down is told once a minute at most.
type limitWatch struct {
	log     hclog.Logger
	max     int
	waits   uint64    // accepts that had waited by the last look
	reached bool      // the log has it
	told    time.Time // when it was last told so
	held    time.Time // when a client was last seen to wait
}

// watchLimit looks at the limit until ctx ends; waits is [netio.Limit.Waits].
func watchLimit(ctx context.Context, log hclog.Logger, most int, waits func() (all uint64, now int64)) {
	w := limitWatch{log: log, max: most}
	tick := time.NewTicker(limitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.check(now, waits)
		}
	}
}

func (w *limitWatch) check(now time.Time, waits func() (all uint64, now int64)) {
	all, waiting := waits()
	holds := waiting > 0 || all != w.waits
	w.waits = all
	if holds {
		w.held = now
	}
	switch {
	case holds && !w.reached && (w.told.IsZero() || now.Sub(w.told) >= limitAgain):
		w.reached, w.told = true, now
		w.log.Warn("connection limit reached, new clients wait until a connection ends", "limit", w.max,
			"setting", "GATEWAY_MAX_CONNECTIONS")
	case w.reached && now.Sub(w.held) >= limitFree:
		w.reached = false
		w.log.Info("connections are below the limit again, no client waits", "limit", w.max,
			"held", w.held.Sub(w.told).Round(time.Second).String())
	}
}
