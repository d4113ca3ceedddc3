package netio

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// Cork lies between a TLS connection and its socket: tls.Server(netio.NewCork(nc), config). Until a [Writer] takes hold
// of it, it passes everything through. From then on it gathers the records, so that a writer can send many with one
// non-blocking write. By itself crypto/tls cannot do that: to it, a short write is the end of the connection.
type Cork struct {
	net.Conn
	raw        syscall.RawConn // nil when Conn is no socket
	beforeWait func()          // of the reading goroutine; nil until a Writer sets it

	// Records come from the writing goroutine and, for alerts and key updates, from the reading one.
	mu sync.Mutex
	// +checklocks:mu
	holding bool
	// Part of a record may be on its way.
	// +checklocks:mu
	pushing bool
	// The records, in buf's memory unless there were too many.
	// +checklocks:mu
	held []byte
	// +checklocks:mu
	buf *Buffer

	rb []byte // the read in hand
	rn int
	re syscall.Errno
	wb []byte // the write in hand, while everything passes through
	we syscall.Errno

	readFn, waitFn, writeFn func(uintptr) bool

	received records // the reading goroutine's
	dry      bool    // Read hands out nothing and does not wait
}

// recordBuffers holds the memory that records are gathered in: a bulk buffer's worth of bytes and what TLS adds to
// them.
var recordBuffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, BulkSize+4<<10)} }}

// NewCork returns the Cork over nc.
func NewCork(nc net.Conn) *Cork {
	k := &Cork{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			k.raw = raw
			k.readFn, k.waitFn, k.writeFn = k.tryRead, k.waitRead, k.tryWrite
		}
	}
	return k
}

// NetConn is the socket.
func (k *Cork) NetConn() net.Conn { return k.Conn }

// SyscallConn hands out the socket's.
func (k *Cork) SyscallConn() (syscall.RawConn, error) {
	if k.raw == nil {
		return nil, syscall.ENOTSUP
	}
	return k.raw, nil
}

// SetLinger is the socket's, where it has one.
func (k *Cork) SetLinger(sec int) error {
	if l, ok := k.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return nil
}

// CloseWrite is the socket's, where it has one.
func (k *Cork) CloseWrite() error {
	if w, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return k.Conn.Close()
}

// Read reads from the socket. Before it waits it calls what [Writer.BeforeWait] was given.
func (k *Cork) Read(b []byte) (int, error) {
	if k.dry {
		return 0, errDry
	}
	n, err := k.read(b)
	k.received.follow(b[:n])
	return n, err
}

func (k *Cork) read(b []byte) (int, error) {
	if k.raw == nil || len(b) == 0 {
		return k.Conn.Read(b)
	}
	k.rb = b
	f := k.waitFn
	if k.beforeWait != nil {
		f = k.readFn
	}
	err := k.raw.Read(f)
	k.rb = nil
	switch {
	case err != nil:
		return 0, err
	case k.re == syscall.EAGAIN:
		k.beforeWait()
		return k.Conn.Read(b)
	case k.re != 0:
		return 0, k.re
	case k.rn == 0:
		return 0, io.EOF
	}
	return k.rn, nil
}

// tryRead makes one attempt and never waits.
func (k *Cork) tryRead(fd uintptr) bool {
	k.rn, k.re = TryRead(fd, k.rb)
	return true
}

// waitRead makes attempts until there is something.
func (k *Cork) waitRead(fd uintptr) bool {
	k.tryRead(fd)
	return k.re != syscall.EAGAIN
}

// tryWrite writes until the socket is full.
func (k *Cork) tryWrite(fd uintptr) bool {
	k.wb, k.we = tryWriteAll(fd, k.wb)
	return k.we != syscall.EAGAIN
}

// pass writes b to the socket.
func (k *Cork) pass(b []byte) (int, error) {
	if k.raw == nil {
		return k.Conn.Write(b)
	}
	k.wb = b
	err := k.raw.Write(k.writeFn)
	n := len(b) - len(k.wb)
	k.wb = nil
	if err == nil && k.we != 0 {
		err = k.we
	}
	return n, err
}

// Write sends b, or keeps it while a Writer is at work.
func (k *Cork) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.holding {
		return k.pass(b)
	}
	if k.buf == nil {
		k.buf = recordBuffers.Get().(*Buffer)
		k.held = k.buf.B[:0]
	}
	k.held = append(k.held, b...)
	return len(b), nil
}

// Close closes the socket; what is still held (the close_notify of tls.Conn.Close, as a rule) is sent if that needs no
// waiting.
func (k *Cork) Close() error {
	k.mu.Lock()
	if len(k.held) > 0 && !k.pushing {
		w := &Writer{raw: k.raw, b: k.held}
		w.tryFn = w.try
		_ = k.raw.Write(w.tryFn) // a socket that is gone or full gets nothing more
	}
	k.mu.Unlock()
	return k.Conn.Close()
}

func (k *Cork) hold() {
	k.mu.Lock()
	k.holding = true
	k.mu.Unlock()
}

// push sends the records by f, the way of w. One Writer at a time pushes, so bytes keep their order; the lock is not
// held while f waits.
func (k *Cork) push(w *Writer, f func(uintptr) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.held) > 0 {
		b, buf := k.held, k.buf
		k.held, k.buf, k.pushing = nil, nil, true
		k.mu.Unlock()
		n, err := w.send(b, f)
		k.mu.Lock()
		k.pushing = false
		if n < len(b) { // what came meanwhile goes behind the rest
			later, free := k.held, k.buf
			k.held, k.buf = append(b[:copy(b, b[n:])], later...), buf
			buf = free
		}
		if buf != nil {
			recordBuffers.Put(buf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
