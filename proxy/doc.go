// Package proxy is the L7 data plane: listeners, the table of routes, and the way of a request to an endpoint and back.
//
// # Life of a request
//
//   - listener.go accepts; a PROXY header and a TLS handshake (handshake.go) come first where the listener has them (arrival.go). ALPN or the first bytes
//     say which version the client speaks: server1.go carries HTTP/1.1, server2.go HTTP/2.
//   - handler.go is the pipeline, one straight line: load the table, decide, hold what has come of the body, wait in a queue if there is one
//     (queue.go), pick an endpoint, try, maybe try again, answer a fault, record. Deciding (router.go, route.go, path.go, client.go, grpc.go,
//     admission.go, ratelimit.go) is plain calls that never block.
//   - forward.go is one try: lease a connection (upstream.go; upstream1.go, upstream2.go and shared2.go for the two versions), write the head
//     (filter.go) and the body (upload.go); answer.go waits for the answer and passes it on. upgrade.go makes a tunnel of it, retry.go and budget.go
//     say when another try is right, held.go keeps the body for it, fault.go says what the client is told when there is no answer.
//   - record.go counts the exchange and writes its line.
//   - explain.go tells what would become of a request (question.go) that nobody sends, by the table and the router that serve.
//
// An exchange ([exchange]) has a goroutine: the connection's own for HTTP/1.1, a warm one for a stream (workers.go), which mostly need not do more than
// wait, or not even that: early2.go. From HTTP/2 to HTTP/2 it mostly has none: relay2.go passes it on from the two reading goroutines, event by
// event, by the same decisions; relaytime.go keeps its time limits, handover.go gives one that the endpoint did not take to an exchange that has
// a goroutine.
//
// # Life of a revision
//
// apply.go: Prepare compiles the table (table.go, route.go) and binds new listeners, Commit stores one pointer and begins the active checks of its
// clusters (check.go, check_http.go, check_grpc.go), Abort undoes. Rate limits, retry budgets and the queue outlive it. drain.go ends the
// server with nothing lost.
//
// # Promises
//
//   - A request is served by the one table it loaded, whatever is stored meanwhile; a connection lives on when its listener goes.
//   - Bytes of the path, order, case and duplicates of fields go upstream as they came; nothing ambiguous is written, ever.
//   - Everything is bounded: heads, held bodies (16 KiB, 64 KiB where a route retries), connections, streams, handshakes, retries, rate keys.
//   - In the steady state an HTTP/1.1 request allocates nothing. An idle connection holds no buffer.
//   - Who leads an exchange ends what it started: the uploading goroutine and the upstream connection never outlive it.
//   - net/http is not here.
//
// # Not here
//
// What is on the wire (http1, http2, proxyproto), sockets and their deadlines (netio), endpoints, health and pools (cluster), certificates
// (mtls), where revisions come from (discovery, sidecar).
//
// # Decisions
//
// An exchange is written once, against two interfaces: downstream (the client's side) and leased (the endpoint's). The four pairs of versions
// differ in who implements them. The exception is relay2, because a goroutine for each gRPC call costs twice what HAProxy needs for all of it.
//
// Streams that go to HTTP/1.1 endpoints keep a goroutine for what has to be waited for, so that retries, uploads and time limits stay one straight
// line. What needs no waiting is done before by the goroutine that reads the client's frames, through the same line (early2.go).
//
// A connection that was idle is looked at before it is used again when it had 10 ms to change, and always behind an answer that could have no body:
// what an endpoint sends without being asked would be taken for the next answer. A look each time would cost 5 % of a request.
//
// While a request waits, the client's socket is looked at every 100 to 500 ms (poll, no read) instead of being read by a second goroutine:
// a client that is gone is noticed a little later, and nobody else pays for it. Of a stream that is reset its connection tells at once.
//
// Without a word about retries a request still goes on to another endpoint where no connection could be made, as in L4: nothing was sent, so
// nothing can go wrong, and the death of one endpoint of several costs only what was in flight on it.
//
// A body is kept for another try while it goes upstream, instead of being collected before: the first try is not held up, and a stream whose client
// waits for an answer before it ends can be tried again too.
//
// The retry budget is a share of the live requests, plus what was saved while nothing failed: an endpoint that dies takes a third of
// three's requests with it in one moment, which a share small enough for an outage would not let pass.
//
// A rate limit's buckets are kept under hashes of their keys, with a secret seed: small, without the clients' values in memory, and nobody can choose a
// key that meets another's.
//
// CONNECT is refused with 405. Extended CONNECT (RFC 8441) is not offered and is malformed: WebSocket goes over HTTP/1.1.
package proxy
