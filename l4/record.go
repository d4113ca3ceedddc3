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
	}
	if to := c.attempt.to; to != nil {
		c.count()
		to.tele.Record(took)
	}
	set := c.set
	if set.log != nil && (set.sampling >= 1 || flag != telemetry.NoFlag || rand.Float64() < set.sampling) {
		c.writeLog(flag, took)
	}
}

func (c *conn) writeLog(flag telemetry.Flag, took time.Duration) {
	r := telemetry.Record{
		Time: c.start, Protocol: "tcp", Listener: c.set.name, Revision: c.set.revision, Duration: took, Flag: flag,
		Host: []byte(c.client.name), TLSVersion: c.client.tlsVersion, ClientIdentity: c.client.identity,
		Endpoint: c.attempt.address, Attempts: c.attempt.count,
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
	c.s.log.Write(c.set.log, &r, c.shard)
}
