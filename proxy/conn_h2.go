package proxy

import (
	"bytes"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// server2 is an HTTP/2 connection from a client. Its reading goroutine runs serve and, inline, the events of its streams.
type server2 struct {
	s    *Server
	c    client
	conn *http2.Server

	requests sync.WaitGroup // the goroutines of its exchanges

	// The reading goroutine's:
	work    workspace
	early   []*request2        // sent by it, and not answered yet
	settler func(*http2.Batch) // answerEarly, made once
}

// serveHTTP2 carries streams on nc, which is what has become of a, until it is over.
func (s *Server) serveHTTP2(a *arrival, nc *netio.Conn, c client) {
	d := s.newServer2(nc, c)
	s.arrived(a, d)
	d.serve(nil)
}

func (s *Server) newServer2(nc *netio.Conn, c client) *server2 {
	t := s.table.Load()
	o := s.options2(t)
	o.IdleTimeout = t.timeouts.Idle
	d := &server2{s: s, c: c}
	o.Count, o.Refused = d.limited, d.refused
	d.conn, d.settler = http2.NewServer(nc, d, o), d.answerEarly
	return d
}

// serve carries streams until the connection is over. early is what was read of it before, the preface included.
func (d *server2) serve(early []byte) {
	err := d.conn.Serve(early)
	d.giveUpEarly()
	d.requests.Wait()
	d.s.logger.Debug("http2 connection ended", "remote", d.c.ip, "reason", err)
	d.s.untrack(d, &d.c)
}

// options2 are the bounds of an HTTP/2 connection, in either direction.
func (s *Server) options2(t *Table) http2.Options {
	return http2.Options{
		MaxHeaderBytes: s.limits.HeadBytes, MaxFields: s.limits.Fields,
		ReadTimeout: t.timeouts.Read, StallTimeout: t.timeouts.Write,
		// What an endpoint does wrong, the exchanges on the connection hear of and count.
		Count:    func(l http2.Limit) { s.logger.Debug("http2 limit of an endpoint", "limit", l.String()) },
		Panicked: s.panicked,
	}
}

// limited counts what the client does wrong, unless an exchange hears of it.
func (d *server2) limited(l http2.Limit) {
	if l != http2.LimitStall {
		d.s.registry.Fault(telemetry.DPE).Inc()
	}
	d.s.logger.Debug("http2 limit", "limit", l.String())
}

// refused counts and logs a request that has been turned away for its head.
func (d *server2) refused(h *message.Head, status int) {
	q := newRequest2(d, nil, h, true)
	q.t, q.read = d.s.table.Load(), q.received
	q.method = telemetry.ParseMethod(q.req.Method)
	q.req.Version = message.HTTP2
	q.req.Path, q.req.Query, _ = bytes.Cut(q.req.Target, questionMark)
	q.status, q.flag = status, telemetry.DPE
	if status != 431 { // else limited has
		d.s.registry.Fault(telemetry.DPE).Inc()
	}
	q.record()
	q.release()
}

var questionMark = []byte("?")

// Request is a new stream. Where it can be, it is passed on right here; else it gets a goroutine.
func (d *server2) Request(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) http2.Receiver {
	var given *relay2
	if d.s.table.Load().multiplexed {
		var r http2.Receiver
		if r, given = d.relay(b, st, h, end); r != nil {
			return r
		}
	}
	q := newRequest2(d, st, h, end)
	if given != nil {
		q.inherit(given)
	}
	if end && q.sendEarly() {
		q.events, q.batch = new(events2), b
		d.early = append(d.early, q)
		b.Later(d.settler)
		return q.events
	}
	return d.handOver(q)
}

// handOver gives q to a goroutine, and returns who takes its stream's events from now on.
func (d *server2) handOver(q *request2) http2.Receiver {
	q.batch = &q.own
	q.pipe = http2.NewPipe()
	q.pipe.Attach(q.stream, q.bodyless)
	events := q.pipe.Receiver()
	d.requests.Add(1)
	d.s.workers.serve(q)
	return events
}

func (d *server2) leave() { d.conn.Shutdown() }
func (d *server2) drain() { d.conn.Shutdown() }
func (d *server2) cut()   { d.conn.Close() }

// wantsHTTP2 tells whether the first bytes of a connection are the preface of HTTP/2, as far as they have come.
func wantsHTTP2(b []byte) bool {
	n := min(len(b), len(http2.Preface))
	return n >= len("PRI ") && string(b[:n]) == http2.Preface[:n]
}

// becomeHTTP2 goes on as an HTTP/2 connection (prior knowledge, RFC 9113 section 3.3).
func (c *server1) becomeHTTP2(first *netio.Buffer, n int) {
	early := append([]byte(nil), first.B[:n]...)
	first.Free()
	d := c.s.newServer2(c.conn, c.c)
	c.s.retrack(c, d)
	d.serve(early)
}
