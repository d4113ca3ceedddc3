// Package http1 is the HTTP/1.1 codec (RFC 9110, RFC 9112): it reads heads and bodies strictly and appends what is to
// be written. It serves both directions and knows no route, cluster or configuration.
//
// # Life of a message
//
//   - reader.go: a [Reader] holds the bytes of one connection. Idle, it holds no buffer at all.
//   - head.go finds the end of a head (headEnd) while it arrives, so that a bad line is refused when it is seen.
//   - request.go, response.go parse the whole head in place into a message.Head; framing.go decides how the body ends.
//   - body.go yields the body in pieces that lie in the connection's buffer; chunked.go takes the chunked coding off
//     and checks it.
//   - append.go puts heads, chunks and trailers into a caller's buffer.
//
// # Promises
//
//   - What is ambiguous is refused, never repaired: every refusal is an [*Error] that carries the status an
//     intermediary answers with.
//   - A head is good until [Reader.Done]; a piece of a body until the next call of [Body.Next].
//   - Memory is bounded by [Limits]; reading and parsing allocate nothing in the steady state.
//   - Deadlines are the caller's: it sets them on the connection before it calls.
//   - One goroutine at a time uses a Reader.
//
// # Not here
//
// Which fields go on (package forward), sockets and deadlines (package netio), the head's own vocabulary (package
// message).
//
// # Decisions
//
// The head is scanned for its end first and parsed once after that. Two passes over a few hundred bytes cost about 50
// ns. A head that comes in small pieces costs no more than one that comes whole.
//
// Bodies are decoded and framed anew instead of passing the peer's chunk framing through. So extensions and forbidden
// trailers cannot slip through, and every pair of versions uses the same path.
package http1
