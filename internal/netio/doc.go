// Package netio has the connections of both planes. A [Conn] is a stream socket that waits for bytes without holding a
// buffer, and reads and writes with plain non-blocking calls. Its deadlines come from one sweeper instead of a timer
// each.
//
// Connections come from a [Listener], within one [Limit] for all of them. Each plane has a [ListenerSet], which follows
// what revisions say (listenerset.go), and connects to endpoints by a [DialFunc] (dial.go).
//
// # Life of a read
//
// A [Listener] accepts with one system call (accept_linux.go), and Go's poller does not know of the connection yet
// (socket_linux.go). The first read or write that has to wait tells it. What is parked instead never needs it.
//
// [Conn.Read] and [Conn.ReadFirst] run the read(2) inside one syscall.RawConn callback: an attempt, and when the socket
// is empty the goroutine parks in Go's poller. ReadFirst takes its buffer from the pool only for the attempt, so a
// parked connection costs a stack and a small struct. A connection that is no plain socket (TLS, an in-memory pipe)
// goes through its own Read instead. ReadFirst waits with a single byte, and what came along with it is read without
// another system call.
//
// Before it waits, the owner names the latest moment it is ready to wait for ([Conn.SetReadDeadline]): one atomic
// store. The [Sweeper] walks all connections every few tens of milliseconds and wakes those whose moment has passed.
//
// A connection that has been idle for a while need not have a goroutine at all. [Conn.Park] puts it among the sweeper's
// parked ones, an epoll set (park_linux.go) that one goroutine waits for. When a read would not wait any more, the
// owner goes on in a fresh goroutine. It finds everything as if it had waited itself: bytes, the end, an interrupt, or
// a connection that was closed meanwhile.
//
// Long bodies and streams between plain sockets need not come to user space. A [Splicer], or a caller's own use of
// [Splice], moves them through one of a bounded number of [Pipes].
//
// # Promises
//
//   - One goroutine reads and one writes at a time; Interrupt, Close and the deadline setters are safe from any
//     goroutine.
//   - Write returns after the last byte or with an error; a stall longer than the write timeout is [ErrTimeout]. Under
//     TLS a stall is one record that does not get out.
//   - A deadline is never early, and late by at most one period of the sweeper; that of a parked connection by at most
//     a second. Neither it nor an Interrupt gets lost when both come at once.
//   - A parked connection resumes or expires once, or is taken back by Unpark; an event of an earlier one never reaches
//     it.
//   - Read and Write allocate nothing.
//
// # Not here
//
// Nothing of HTTP, TLS or configuration. What a timeout means is the caller's business.
//
// # Decisions
//
// Raw system calls (Linux): the sockets are non-blocking, so the calls return at once and the runtime need not be told.
// That saves the hand-over of the processor that the runtime's watchdog makes when a loopback write runs for more than
// 20 us. The hand-over was measured at 1-2 us a request. Other systems use package syscall.
//
// A sweeper instead of deadlines per read: net.Conn.SetReadDeadline takes a lock and moves a runtime timer each time.
// An atomic store costs a few nanoseconds, and nobody needs a network timeout finer than tens of milliseconds.
//
// What lies unread in a TLS connection is known from the records that its [Cork] has seen come (unread.go). Where that
// does not decide, a read tells that may not wait: crypto/tls goes on after an error that is temporary. Turned down:
// such a read each time (an allocation), and a look at the socket alone. A response that nobody asked for, and that
// came with another one, was then taken for that to the next request.
//
// Sockets that the runtime's poller hears of late. A connection for each request made 17 system calls, of which nine
// were needed. Accepting without package net, no poller for what is read at once, and parking at the first wait leave
// eight. That is 0.70 of the CPU time in pairs of builds. An idle connection that has carried one request takes half
// of what it took. The price is one system call more (fcntl) for a connection that does wait with a goroutine.
//
// Our own epoll set for parked connections beside the runtime's, which a socket stays in once it is there. It saves
// 2.6 KB of stack and goroutine for each, for three system calls more when it is used again (measured: about 3 us).
// Turned down: parking at once each time instead of after a while (busy connections would pay; young ones do). Also
// turned down: taking the socket from the runtime again (a dozen system calls to go on).
package netio
