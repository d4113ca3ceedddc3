package l4

import (
	"math/rand/v2"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// record counts the connection and writes its line: the last step of each one, also of those that came to no endpoint.
func (c *conn) record(flag telemetry.Flag) {
	defer c.recovered()
	took := time.Since(c.start)
	if flag != telemetry.NoFlag {
		c.s.registry.Fault(flag).Inc()
		c.set.tele.Faults.Count(flag)
		c.set.faults.Count(flag)
	}
	if to := c.attempt.to; to != nil {
		c.count()
		to.tele.Record(took)
	}
	share := c.set.sampling
	if flag != telemetry.NoFlag {
		share = 1
	}
	logged := c.set.log != nil && (share >= 1 || rand.Float64() < share)
	if !logged && flag == telemetry.NoFlag {
		return
	}
	r := c.line(flag, took)
	r.Sampled = share
	if logged {
		c.s.log.Write(c.set.log, &r, c.shard)
	}
	if flag != telemetry.NoFlag {
		c.s.registry.Failures.Add(&r, c.attempts(flag, took))
	}
}

// attempts is how all attempts ended: those that have failed, and the one whose connection has ended with flag.
func (c *conn) attempts(flag telemetry.Flag, took time.Duration) []telemetry.Attempt {
	a := &c.attempt
	if len(a.ended) == a.count {
		return a.ended
	}
	return append(a.ended, c.try(c.start.Add(took), flag))
}

// line is what is told of the connection.
func (c *conn) line(flag telemetry.Flag, took time.Duration) telemetry.Record {
	r := telemetry.Record{
		Time: c.start, Protocol: "tcp", Listener: c.set.name, Revision: c.set.revision, Duration: took, Flag: flag,
		Host: []byte(c.client.name), TLSVersion: c.client.tlsVersion, ClientIdentity: c.client.identity,
		Endpoint: c.attempt.address, Attempts: c.attempt.count, Reason: c.cause,
		BytesRead: c.there.moved.Load(), BytesWritten: c.back.moved.Load(),
	}
	if addr := c.client.who.Source.Addr(); addr.IsValid() {
		r.RemoteIP = addr.AppendTo(make([]byte, 0, 48))
	}
	if c.attempt.to != nil {
		r.Cluster = c.attempt.to.cluster.Name()
	}
	if c.up != nil {
		r.Upstream = c.attempt.took
	}
	return r
}
