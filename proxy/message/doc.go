// Package message is the HTTP message head that all wire versions share (RFC 9110). It has the start line, the ordered
// fields, what they say about the body and the connection, and the rules that hold in every version.
//
// # Life of a head
//
//   - head.go: a codec (proxy/http1, proxy/http2) lays the head out in one buffer as HTTP/1.1 would write it. Each
//     field is one "name: value\r\n". The codec records in a [Head] where each piece lies.
//   - field.go classifies each name once ([Lookup]), so that later rules compare small integers; it says which bytes
//     may stand in names and values.
//   - status.go, length.go, target.go and host.go hold the rules for one piece each; both codecs ask them.
//   - hop.go says which fields end at this hop.
//   - [Head.AppendFields] copies the fields that go on, in as few ranges as it can.
//
// # Promises
//
//   - Order, case and duplicates of the fields stay as they came; HTTP/2 names are lower case already.
//   - Everything a Head hands out points into its buffer and is good until the buffer is reused.
//   - Reset keeps the memory, so a pooled Head allocates nothing in the steady state.
//   - A rule that holds in every version is one function here, which both codecs call. Bytes that one version could
//     not carry are refused in the other too. So a translation never makes a new message boundary (RFC 9113 section
//     8.2.1).
//   - A Head is for one goroutine at a time.
//
// # Not here
//
// Parsing and framing of a version (the codecs), routing and rewriting (packages route and forward).
//
// # Decisions
//
// It is a package of its own in the lowest layer. Both codecs and the proxy need the same head, and the codecs must
// not import each other.
//
// A status is 100 to 599, in both codecs, and any other one is a malformed response: the client gets 502. RFC 9110
// section 15 calls these codes invalid and lets a client treat them as a 5xx. An intermediary that passed them on would
// leave each receiver to guess how the message is framed and what a cache may do with it.
package message
