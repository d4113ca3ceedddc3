// Package http2 is the HTTP/2 codec (RFC 9113) for a proxy. It has connections and streams of both sides, flow
// control, and the limits that make floods harmless. It knows no route, cluster or configuration.
//
// # Life of a request
//
//   - server.go: [Server.Serve] sends our SETTINGS. reader.go reads, with one goroutine a connection, as many bytes as
//     there are. frame_reader.go takes them apart into frames. Every whole one is handled at once: nothing is queued,
//     nothing blocks.
//   - read_headers.go feeds HPACK; header_block.go lays the fields out as a message.Head and header_rules.go judges it.
//     Then [Handler.Request] is asked who takes the stream's events, the [Receiver]. read_stream.go and read_control.go
//     handle the other frames.
//   - The events call methods of other streams: client.go opens one on an upstream connection ([Client.Open]),
//     stream.go writes heads, data and trailers. All of them only append to the out buffer of their connection
//     (output.go, encoder.go, fields.go), whose lock they hold for that long.
//   - When the batch of frames is done, the goroutine yields once. Then it writes each connection it has appended to
//     with one non-blocking call (batch.go, [Batch]). What a socket does not take is left to a goroutine.
//   - relay.go passes one direction of an exchange from stream to stream. pipe.go turns events into calls that wait,
//     for a goroutine that has an HTTP/1.1 connection on the other side. body_queue.go holds what could not go on yet.
//
// The parts of a connection: conn.go puts them together. streams.go is the table of streams, flow.go the windows,
// peer_settings.go what the peer allows, places.go the streams that may still be opened. limits.go is what peers make
// us do, timers.go what takes too long, doubt.go whether a silent peer is still there. drain.go and end.go are the end
// of a connection, recover.go that of one on which something panicked.
//
// # Promises
//
//   - All events of a connection come on its one reading goroutine; methods of [Stream], [Conn] and [Client] are safe
//     from any.
//   - A connection's lock is never held during an event, nor two connections' at once. An owner's own lock may be held
//     while it calls in here.
//   - A stream that ends early gets exactly one Reset, its last event, unless its owner reset it; one that ended well
//     gets none.
//   - Memory is bounded. One connection has two out buffers at most (64 KiB each, and heads on top up to 512 KiB). It
//     also has one header block, and what owners hold. That is at most Options.StreamWindow for each stream, since a
//     peer gets window back only for what was Consumed. The streams of a client, with their heads and trailers, have
//     at most Options.HeldBytes together (held_heads.go). Stream.Ahead tells what is worth being read ahead of them.
//     What endpoints of HTTP/2 may send ahead of them is bounded together too (ahead.go).
//   - What reaches an owner can be written as HTTP/1.1. Names are lower-case tokens, values have no control bytes, and
//     there is one authority. Also content-length agrees with the data, and no connection-specific field is among the
//     rest. What breaks this ends its stream with PROTOCOL_ERROR, and is never repaired.
//   - A panic in an event ends the connection that the event came on, if the owner wants it so (Options.Panicked), and
//     nothing else.
//   - Every goroutine ends with its connection. A connection that ends in order has written everything first.
//   - A proxied request costs three allocations: its two streams and what its owner adds.
//
// # Not here
//
// Which fields go on, timeouts of requests, retries, metrics (package forward); TLS (package mtls) and sockets (package
// netio).
//
// # Decisions
//
// Events on the reading goroutine instead of a goroutine a stream: measured at 8 us against 19 to 26 for a gRPC call.
// The price is that owners must not block. What has to wait runs in a goroutine and holds the body back in a [Relay] or
// a [Pipe] meanwhile.
//
// The batch is an argument. Who appends must see to the write, and the compiler should see to that. A reading goroutine
// gives its own batch to whatever it calls. Any other goroutine has one for as long as it likes, and nil writes at
// once.
//
// One lock for a connection and its streams, and parts that know nothing of it. What a part holds is used under the
// lock of the [Conn] that it is in, and tools/locks checks that. A stream that was found in the table has the
// connection's lock, which the tool cannot know: asStream and asConn tell it.
//
// Frames are read and written by hand, and so is the HPACK encoder; golang.org/x/net/http2/hpack decodes. A frame is
// nine bytes and a fixed layout, and x/net/http2's Framer would bring net/http along, block while it reads, and
// allocate for most frames. The encoder is ours because hpack's keeps the strings it is given, and ours are reused. It
// also indexes whatever is not secret: request ids and client addresses would push everything else out of the table of
// a shared connection. The tests hold both against x/net's. Huffman coding is left out: what recurs is indexed.
//
// A malformed request gets RST_STREAM, not a 400: RFC 9113 allows both, the conformance tests want the first. A head
// over the limit is well-formed and gets a 431.
//
// Floods are counted in two accounts. Control frames and empty DATA spend tokens that useful frames and time bring
// back. Streams that the peer cut off, or made us cut off, weigh against those that ended well. Fixed rates would
// either hurt busy honest connections or let slow floods through. WINDOW_UPDATEs come with the data that was sent, but
// perhaps long after it and all at once. What was sent pays for so many, however late.
//
// The connection's window towards an upstream is practically infinite, because its streams belong to different clients.
// One that reads slowly may use up the window of its own streams, never that of the others. Towards a client it is a
// bound on what that client makes us hold. A stream to an upstream begins with a window of 4 KiB, which few
// small responses fill. The first bytes that the client takes widen it, at the price of a round trip to the upstream.
// The next streams of that upstream connection are wide at once. With each request that would cost its endpoint a frame
// for every small response.
//
// What all streams of one client may have ahead does not grow with what the client has taken. With 1 MiB in place of
// 192 KiB, a client that took much and then stopped made the gateway hold 3 to 7 MB. Buffers are pooled by size, and
// most were nearly empty. Nothing was faster between processes of one machine.
//
// No priorities (RFC 9113 section 5.3.2 retires them), no push, no SETTINGS_MAX_FRAME_SIZE over 16 KiB in either
// direction.
package http2
