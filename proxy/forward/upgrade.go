package proxy

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// errUnexpectedSwitch is a 101 that nobody asked for.
var errUnexpectedSwitch = &http1.Error{Status: 502, Text: "unexpected 101 Switching Protocols"}

// offered tells whether the client has offered to go over to protocol.
func (ex *exchange) offered(protocol []byte) bool {
	return len(protocol) > 0 && !message.EachElement(ex.req.Upgrade, func(e []byte) bool { return !bytes.EqualFold(e, protocol) })
}

// tunneller is a downstream connection that can become a plain stream of bytes.
type tunneller interface {
	// Switch passes the 101 on and hands out the connection and the bytes that came early. other is cut with it at the end of a drain.
	Switch(h *message.Head, other *netio.Conn) (c *netio.Conn, early []byte, err error)
}

// switchProtocols passes the upgrade on and then moves bytes both ways until both sides have ended. No HTTP timeout applies any more, only
// tcp_idle. Bytes that either side sent early are not lost, and an end of one direction leaves the other open.
func (ex *exchange) switchProtocols(l leased) result {
	ex.status = 101
	ex.closing = true
	ex.endRetry()
	ex.ep.Report(cluster.Success) // it has proved itself; the tunnel may last for hours
	t, down1 := ex.d.(tunneller)
	u, up1 := l.(*upstream1)
	if !down1 || !up1 { // only HTTP/1.1 knows 101
		_ = l.Close()
		return result{outcome: cluster.Malformed, fault: upstreamFault(errUnexpectedSwitch)}
	}
	down, early, err := t.Switch(&ex.resp, u.conn)
	if err != nil {
		_ = u.Close() // it speaks another protocol now
		return result{outcome: cluster.ClientGone, fault: faultGone}
	}

	tn := &tunnel{ex: ex, idle: int64(ex.t.timeouts.TCPIdle)}
	tn.touch()
	down.SetWriteTimeout(ex.t.timeouts.TCPIdle)
	u.conn.SetWriteTimeout(ex.t.timeouts.TCPIdle)
	done := make(chan struct{})
	go func() { // ends when the client's direction has ended; waited for below
		defer close(done)
		ex.read += tn.copy(u.conn, down, early) - int64(len(early)) // those were received with the head
	}()
	ex.written += tn.copy(down, u.conn, u.r.Take())
	<-done
	_ = u.Close()
	ex.up.cluster.Telemetry().RecordRequest(101, time.Duration(ex.now()-ex.tryStart))
	return result{outcome: cluster.Ignored}
}

// tunnel is an upgraded connection.
type tunnel struct {
	ex   *exchange
	idle int64        // longest time without a byte either way; 0 none
	last atomic.Int64 // when a byte last moved
}

func (t *tunnel) touch() { t.last.Store(t.ex.now()) }

// copy moves bytes from src to dst, the early ones first, until src ends; then it ends dst's direction. An error ends both. It returns how
// many bytes there were to move.
func (t *tunnel) copy(dst, src *netio.Conn, early []byte) (moved int64) {
	b := netio.NewBuffer()
	defer b.Free()
	for p := early; ; {
		if len(p) > 0 {
			t.touch()
			moved += int64(len(p))
			if _, err := dst.Write(p); err != nil {
				break
			}
		}
		if t.idle > 0 {
			src.SetReadDeadline(t.last.Load() + t.idle)
		} else {
			src.SetReadDeadline(0)
		}
		n, err := src.Read(b.B)
		p = b.B[:n]
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			if dst.CloseWrite() == nil {
				return moved
			}
		case errors.Is(err, netio.ErrTimeout) && t.ex.now() < t.last.Load()+t.idle:
			continue // the other direction is alive
		}
		break
	}
	_ = dst.Abort() // a reset is passed on as one
	_ = src.Abort()
	return moved
}

// Switch makes the client's connection a plain stream. What the client sent behind its request's head belongs to the new protocol.
func (q *request1) Switch(h *message.Head, other *netio.Conn) (*netio.Conn, []byte, error) {
	q.began = true
	out := http1.AppendStatusLine(q.w.Begin(), 101, reason(h))
	out = h.AppendFields(out, responseDrop(h))
	out = append(out, "Connection: Upgrade\r\n"...)
	out = http1.AppendField(out, "Upgrade", h.Upgrade)
	q.w.Head(append(out, "\r\n"...), false)
	if err := q.w.Flush(); err != nil {
		return nil, nil, err
	}
	q.conn.tunnel.Store(other)
	return q.conn.conn, q.r.Take(), nil
}
