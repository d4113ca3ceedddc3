package l4

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// tunnel moves bytes both ways until both directions have ended, or one has broken. Each has a goroutine of its own,
// with a fresh small stack instead of the deep one that connecting leaves behind. They end with their direction, or by
// stop, and the last one ends the connection.
func (c *conn) tunnel() {
	there, back := &c.there, &c.back
	there.join(c, c.down, c.up, telemetry.DC, telemetry.UC)
	back.join(c, c.up, c.down, telemetry.UC, telemetry.DC)
	there.other, back.other = back, there
	c.watched.last = time.Now()
	c.left.Store(2)
	c.flowing.Store(true)
	go there.run()
	go back.run()
}

// join prepares a pump; broken are the flags for when its source or its destination breaks off.
func (p *pump) join(c *conn, src, dst net.Conn, sourceBroken, destinationBroken telemetry.Flag) {
	p.c, p.src, p.dst, p.onRead, p.onWrite = c, src, dst, sourceBroken, destinationBroken
	p.rawSrc, p.rawDst = raw(src), raw(dst)
}

// raw is the descriptor of a plain socket, nil of anything else.
func raw(nc net.Conn) syscall.RawConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	r, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return r
}

// run is one direction, and at its end that of the connection if the other has ended before.
func (p *pump) run() {
	p.carry()
	if p.c.left.Add(-1) == 0 {
		p.c.end()
	}
}

// carry is all of one direction. A panic ends the connection and the other direction with it.
func (p *pump) carry() {
	defer p.c.recovered()
	defer p.bulk.abandon(p.c.s.pipes)
	p.pass(p.move())
}

// pass passes the end of the stream on, or stops the connection.
func (p *pump) pass(flag telemetry.Flag) {
	if flag == telemetry.NoFlag && p.wasReset() {
		flag = p.onRead
	}
	if flag == telemetry.NoFlag {
		p.ended.Store(true)
		if err := closeWrite(p.dst); err == nil || p.other.ended.Load() {
			return
		}
		flag = p.onWrite
	}
	p.c.stop(flag)
}

// move moves what was read before, and then all that comes.
func (p *pump) move() telemetry.Flag {
	if p == &p.c.there && !p.c.giveEarly() {
		return p.onWrite
	}
	if p.rawSrc != nil && p.rawDst != nil {
		return p.pump()
	}
	return p.copy()
}

// giveEarly writes what was read of a ClientHello.
func (c *conn) giveEarly() bool {
	early := c.client.early
	if early == nil {
		return true
	}
	n, err := c.up.Write(c.client.earlyBytes)
	c.there.moved.Add(int64(n))
	c.client.early, c.client.earlyBytes = nil, nil
	early.Free()
	return err == nil
}

// copy is the way through TLS, on either side: one buffer, and what crypto/tls needs.
func (p *pump) copy() telemetry.Flag {
	for !p.c.stopped.Load() {
		b, n, err := p.read()
		if n > 0 {
			p.saw()
			var w int
			w, err = p.dst.Write(b.B[:n]) // an error of the read comes again
			p.moved.Add(int64(w))
			b.Free()
			if err != nil {
				return p.onWrite
			}
			continue
		}
		b.Free()
		if errors.Is(err, io.EOF) {
			return telemetry.NoFlag
		}
		if err != nil {
			return p.onRead
		}
	}
	return p.onRead
}

// read waits for bytes; if the source is a plain socket, without a buffer.
func (p *pump) read() (b *netio.Buffer, n int, err error) {
	if p.rawSrc == nil {
		b = netio.NewBuffer()
		n, err = p.src.Read(b.B)
		return b, n, err
	}
	var e syscall.Errno
	err = p.rawSrc.Read(func(fd uintptr) bool {
		b = netio.NewBuffer()
		if n, e = netio.TryRead(fd, b.B); e == syscall.EAGAIN {
			b.Free()
			b = nil
			return false
		}
		return true
	})
	switch {
	case err != nil:
	case e != 0:
		err = e
	case n == 0:
		err = io.EOF
	}
	return b, n, err
}

// saw notes that a byte came. The first one back is when an endpoint has proved itself: the connection may last for
// hours.
func (p *pump) saw() {
	if p.began {
		return
	}
	p.began = true
	if p == &p.c.back {
		p.c.attempt.ep.Report(cluster.Success)
	}
}

// wasReset tells a reset whose error the other pump's write has met, so that the read here saw a mere end, from a real
// one.
func (p *pump) wasReset() bool { return brokeOff(p.rawSrc, p.other) }

// brokeOff tells whether the peer of a plain socket is gone; nil tells nothing. towards is the direction to that peer.
func brokeOff(r syscall.RawConn, towards *pump) bool {
	if r == nil || towards.ended.Load() {
		return false
	}
	peer := netio.Open
	_ = r.Control(func(fd uintptr) { peer = netio.TryHangup(fd) }) // nobody has closed it
	return peer == netio.Reset && !towards.ended.Load()            // ended: that hang-up was our own doing
}

// closeWrite sends FIN, or under TLS close_notify, and leaves the reading side open.
func closeWrite(nc net.Conn) error {
	if w, ok := nc.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nc.Close()
}
