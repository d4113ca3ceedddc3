// Package message is the HTTP message head that all wire versions share (RFC 9110): start line, ordered fields, and what the fields say
// about the body and the connection. The codecs (proxy/http1, proxy/http2) fill a [Head]; the rules of the proxy read it and never ask
// which version it came from.
//
// # Life of a head
//
// A codec lays the head out in one buffer as HTTP/1.1 would write it, one "name: value\r\n" a field, and records where each piece
// lies. Names are classified once ([Lookup]), so that later rules compare small integers. [AppendFields] copies the fields that go on in as
// few ranges as it can.
//
// # Promises
//
//   - Order, case and duplicates of the fields stay as they came; HTTP/2 names are lower case already.
//   - Everything a Head hands out points into its buffer and is good until the buffer is reused.
//   - Reset keeps the memory, so a pooled Head allocates nothing in the steady state.
//   - The value grammar is checked by one function ([ValidValue]) for both codecs: bytes that one version could not carry are refused
//     in the other too, so a translation never makes a new message boundary (RFC 9113 section 8.2.1).
//
// # Not here
//
// Parsing and framing of a version (the codecs), routing and rewriting (package proxy).
//
// # Decisions
//
// A package of its own in the lowest layer: both codecs and the proxy need the same head, and the codecs must not import each other.
package message
