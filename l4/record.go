package l4

import (
	"math/rand/v2"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// record counts the connection and writes its line: the last step of each one, also of those that came to no endpoint.
func (c *conn) record() {
	took := time.Since(c.start)
	if c.flag != telemetry.NoFlag {
		c.s.registry.Fault(c.flag).Inc()
	}
	if c.to != nil {
		c.count()
		c.to.tele.Record(took)
	}
	if set := c.set; set.log != nil && (set.sampling >= 1 || c.flag != telemetry.NoFlag || rand.Float64() < set.sampling) {
		c.writeLog(took)
	}
}

func (c *conn) writeLog(took time.Duration) {
	r := telemetry.Record{
		Time: c.start, Protocol: "tcp", Host: []byte(c.name), Duration: took, Listener: c.set.name, Endpoint: c.address, Attempts: c.attempts,
		BytesRead: c.there.moved.Load(), BytesWritten: c.back.moved.Load(), Flag: c.flag, Revision: c.set.revision,
		TLSVersion: c.tlsVersion, ClientIdentity: c.identity,
	}
	if addr := c.who.Source.Addr(); addr.IsValid() {
		r.RemoteIP = addr.AppendTo(make([]byte, 0, 48))
	}
	if c.to != nil {
		r.Cluster = c.to.cluster.Name()
	}
	if c.up != nil {
		r.Upstream = c.took
	}
	c.s.log.Write(c.set.log, &r, c.shard)
}
