// Package testpeer is the other end of an HTTP/2 connection under test, held by a test that writes and reads frames
// itself.
//
// # Life of a peer
//
// [Client] or [Server] begins a connection of which the test holds one end, a socket or a pipe. From then on the test
// writes heads ([Peer.Head], [Peer.Ask]) and any frame that golang.org/x/net/http2's Framer can write. It reads in one
// of two ways. One gives what the streams are about ([Peer.Next], [Peer.Answer], [Peer.Text]), while the peer answers
// SETTINGS and PING by itself. The other gives every frame as a short text ([Peer.Line], [Peer.Want]), with nothing
// answered.
//
// # Promises
//
//   - The framer and HPACK are another implementation's: what the gateway writes is not read by its own code.
//   - A peer breaks any rule that it is told to break.
//   - A peer is for one goroutine at a time that reads, and one that writes. Methods without an error end the test, so
//     they belong into the test's own goroutine, but for those that say otherwise.
//
// # Not here
//
// Load, and tests that count allocations: they have frames made beforehand. Timeouts: the test sets a deadline on its
// end, or runs in a synctest bubble. Nothing outside _test.go files imports this package.
package testpeer
