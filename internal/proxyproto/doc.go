// Package proxyproto reads and writes the PROXY protocol header (versions 1 and 2), by which a proxy tells the next one
// who the client is. Both planes use it.
//
// # Life of a header
//
// A listener knows which peers send one. From one that is trusted, [Read] (read.go) takes exactly the header off the
// connection. Not a byte behind it is read, so what follows (TLS, HTTP, anything) is still in the socket. The bytes are
// parsed by go-proxyproto. Towards an endpoint [Append] (write.go) makes the header that goes in front of everything,
// TLS included; [Dialer] (dial.go) sends it.
//
// # Promises
//
//   - Read consumes the header or fails; it never guesses. From a trusted peer the header has to be there.
//   - At most [MaxBytes] are read. The deadline is the caller's: set it on the connection.
//   - A header that names nobody (UNKNOWN, LOCAL: the proxy's own health checks) is none: the caller keeps the
//     addresses of the connection.
//
// # Not here
//
// Trusting a whole list of proxies (X-Forwarded-For is the HTTP plane's), and the TLVs of version 2: they are skipped.
//
// # Decisions
//
// Exact reads instead of a buffered reader around the connection. A wrapped connection is no plain socket any more, and
// would lose splice and waiting without a buffer for its whole life. Version 2 says its length, so it takes three
// reads. Version 1 is a line of at most 107 bytes whose tail is read byte by byte, a few microseconds once a
// connection.
//
// The header is required from trusted peers, as the specification asks: who accepts both lets any client behind that
// network choose.
package proxyproto
