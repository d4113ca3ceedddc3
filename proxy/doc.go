// Package proxy is the L7 data plane: listeners, connections, and the revision they serve by.
//
// # Life of a request
//
//   - listener.go accepts; a PROXY header and a TLS handshake (handshake.go) come first where the listener has them
//     (connections.go). ALPN or the first bytes say which version the client speaks: h1_conn.go or h2_conn.go.
//   - Package route decides once what is to be done with the request.
//   - Package forward carries it from a goroutine; from HTTP/2 to HTTP/2 package relay mostly does without one.
//   - Both record it.
//
// # Life of a revision
//
// prepare.go: Prepare binds new listeners and has the table compiled. Commit stores one pointer and begins the active
// checks of its clusters (package healthcheck), and Abort undoes. Rate limits, retry budgets and the queue outlive it.
// drain.go ends the server with nothing lost.
//
// # Promises
//
//   - A request is served by the one table it loaded, whatever is stored meanwhile; a connection lives on when its
//     listener goes.
//   - Bytes of the path, order, case and duplicates of fields go upstream as they came; nothing ambiguous is written,
//     ever.
//   - Everything is bounded: heads, bodies in memory, connections, streams, handshakes, retries, rate keys.
//   - An idle connection holds no buffer.
//   - net/http is not here.
//
// # Not here
//
// What is on the wire (http1, http2, proxyproto), sockets and their deadlines (netio), and endpoints, health and pools
// (cluster). Also certificates (mtls), and where revisions come from (discovery, sidecar).
//
// # Decisions
//
// CONNECT is refused with 405, also as extended CONNECT (RFC 8441), which HTTP/2 clients are not offered: WebSocket
// goes over HTTP/1.1.
package proxy
