// Package l4 is the L4 data plane: it accepts connections on a port and moves their bytes to an endpoint of a cluster
// and back. It does not know what they mean.
//
// # Life of a connection
//
// listener.go accepts. conn.go has the order of what follows. greet.go takes off what comes before the client's own
// bytes and is not for the endpoint: a PROXY header, or a TLS handshake. With protocol tls it only looks at the
// ClientHello (sniff.go, hello.go), and routes.go finds the cluster. It also asks whether the client may connect
// (package access). upstream.go picks an endpoint and connects, the next one if that does not work. tunnel.go runs one
// pump for each direction (pump.go: small messages; bulk.go, splice_linux.go: sustained bulk) until both have ended.
// end.go gives back what the connection had. record.go counts and writes the line. watch.go looks at all connections
// ten times a second for their timeouts, and less often at those that have half ended.
//
// A revision goes through prepare.go, as in package proxy.
//
// # Promises
//
//   - A connection keeps the settings it was accepted under. Revisions, and listeners that disappear, never touch it;
//     drain.go waits for it.
//   - Connecting tries up to four endpoints, each once, before a byte of the client's was sent to any. What was read of
//     a ClientHello goes to whichever can be connected to. The limits of the cluster hold: no endpoint (UH), overflow
//     (UO).
//   - An end of one direction is passed on and leaves the other open. A reset is passed on as a reset, both ways. That
//     of a side whose own direction has ended before is seen within about a second. Connections that never came to an
//     endpoint are reset too, so that no client takes them for an empty response.
//   - Back-pressure is the sockets' own: what is held of a direction is at most one buffer (16 KiB) or one pipe (256
//     KiB). A direction that waits for bytes from a plain socket holds neither.
//   - A timeout is never early, and late by at most two periods of the watch (200 ms).
//   - A panic ends the connection that it is met on, and nothing else. It is counted and logged with its stack, and all
//     that the connection had is given back (end.go).
//   - /status tells why an endpoint failed last: what connecting came to, or that it broke off before a byte came back.
//   - Each connection that ends badly has one flag, in its line and in gateway.faults. NR, UH, UO, UF, UC, DC, DPE and
//     AC are as at L7. The others are SI (idle), DT (whole life), LR (cut at the end of a drain, or by a panic).
//   - The endpoint's health hears of connects that failed, and of success as soon as the first byte came back. It hears
//     of a reset before that too, while the client was still there. Where no byte comes back, success is bytes taken
//     and an orderly end of both ways. For an ejected endpoint that is probed it is bytes taken and a second without a
//     reset. What clients do never counts.
//
// # Not here
//
// Anything of HTTP (proxy). UDP.
//
// # Decisions
//
// Two goroutines a connection, each inside nested callbacks of its two sockets (syscall.RawConn): the outer holds the
// destination, the inner waits for the source. So both descriptors are good at once and a message costs two raw system
// calls and a failed read, without a buffer while waiting. The price: nobody else may close the sockets meanwhile
// (Close would wait for the callbacks). So a connection is ended by waking it with a deadline that has passed, and the
// goroutine that ends last closes it.
//
// The failed read behind each message is needed. The poller is edge-triggered: a FIN that came together with the last
// bytes makes no edge of its own.
//
// Splice only once four buffers in a row came full, for as long as bytes come in such amounts. For a small message two
// more descriptors and two more system calls cost more than copying it. Pipes are pooled and bounded; without one,
// buffers do.
//
// Own splice instead of io.Copy's. Bytes are counted as they flow (idle timeouts and metrics need that). A pipe is not
// held while waiting, and the way back to buffers is open.
//
// Timeouts by looking at the byte counters now and then, instead of by deadlines: the pumps never ask for the time.
//
// A strict reading of the ClientHello, with cryptobyte, instead of crypto/tls on a fake connection. tls.Config belongs
// to mtls/, and what is refused is ours to say. Records and the message's length are read as the bytes come, each byte
// once; the message is parsed when it is whole. A fuzz target holds it against crypto/tls. Bounds: 64 KiB, the
// listener's read timeout.
package l4
