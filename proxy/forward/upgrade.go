package forward

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// tunneller is a downstream connection that can become a plain stream of bytes.
type tunneller interface {
	// Switch passes the 101 on and hands out the connection and the bytes that came early. other is cut with it at the
	// end of a drain.
	Switch(h *message.Head, other *netio.Conn) (c *netio.Conn, early []byte, err error)
}

// switchProtocols passes the upgrade on and then moves bytes both ways until both sides have ended. No HTTP timeout
// applies any more, only tcp_idle. Bytes that either side sent early are not lost, and an end of one direction leaves
// the other open.
func (ex *exchange) switchProtocols(l upstream) result {
	ex.record.Status = 101
	ex.closing = true
	ex.retry.give()
	ex.attempt.Endpoint.Report(cluster.Success) // it has proved itself; the tunnel may last for hours
	t, down1 := ex.down.(tunneller)
	u, up1 := l.(*upstreamH1)
	if !down1 || !up1 { // only HTTP/1.1 knows 101
		_ = l.Close()
		return result{outcome: cluster.Malformed, reply: UpstreamReply(errUnexpectedSwitch)}
	}
	down, early, err := t.Switch(&ex.resp, u.conn)
	if err != nil {
		_ = u.Close() // it speaks another protocol now
		return result{outcome: cluster.ClientGone, reply: ReplyGone}
	}
	come := bytes.Clone(u.r.Take())
	u.r.Free()
	ex.resp = message.Head{Status: 101}

	idle := ex.decision.Table.Timeouts.TCPIdle
	tn := &tunnel{clock: ex.engine.Sweeper, idle: int64(idle)}
	tn.touch()
	down.SetWriteTimeout(idle)
	u.conn.SetWriteTimeout(idle)
	var up int64
	done := make(chan struct{})
	go func() { // ends when the client's direction has ended; waited for below
		defer close(done)
		defer func() {
			if ex.engine.recovered(recover()) {
				_ = down.Abort()
				_ = u.conn.Abort()
			}
		}()
		up = tn.copy(u.conn, down, early) - int64(len(early)) // those were received with the head
	}()
	ex.record.Written += tn.copy(down, u.conn, come)
	<-done
	ex.record.Read += up
	_ = u.Close()
	ex.attempt.Responded(ex.cluster(), 101, ex.now())
	return result{outcome: cluster.Ignored}
}

// tunnel is an upgraded connection.
type tunnel struct {
	clock *netio.Sweeper
	idle  int64        // longest time without a byte either way; 0 none
	last  atomic.Int64 // when a byte last moved
}

func (t *tunnel) touch() { t.last.Store(t.clock.Now()) }

// copy moves bytes from src to dst, the early ones first, until src ends; then it ends dst's direction. An error ends
// both. It returns how many bytes there were to move.
func (t *tunnel) copy(dst, src *netio.Conn, early []byte) (moved int64) {
	from := inlet{conn: src}
	defer from.free()
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
		var err error
		p, err = from.next()
		switch {
		case err == nil, errors.Is(err, netio.ErrInterrupted): // an interrupt was meant for what came before the tunnel
			continue
		case errors.Is(err, io.EOF):
			if dst.CloseWrite() == nil {
				return moved
			}
		case errors.Is(err, netio.ErrTimeout) && t.clock.Now() < t.last.Load()+t.idle:
			continue // the other direction is alive
		}
		break
	}
	_ = dst.Abort() // a reset is passed on as one
	_ = src.Abort()
	return moved
}

// inlet is a side of a tunnel that is read from. Where it is a plain socket, it holds no buffer while nothing comes.
type inlet struct {
	conn *netio.Conn
	buf  *netio.Buffer
}

// next waits for bytes, which are good until the following call.
func (i *inlet) next() ([]byte, error) {
	if !i.conn.Plain() {
		if i.buf == nil {
			i.buf = netio.NewBuffer()
		}
		n, err := i.conn.Read(i.buf.B)
		return i.buf.B[:n], err
	}
	i.free()
	b, n, err := i.conn.ReadFirst()
	if err != nil {
		return nil, err
	}
	i.buf = b
	return b.B[:n], nil
}

func (i *inlet) free() {
	b := i.buf
	i.buf = nil
	b.Free()
}
