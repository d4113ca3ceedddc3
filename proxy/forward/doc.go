// Package forward carries one request to an endpoint, and the response back, in a goroutine. Its rules about
// deadlines, retries, local replies and outcomes are pure functions, which package relay uses too.
//
// # Life of a request
//
//   - h1_downstream.go and h2_downstream.go are the client's side (downstream.go), and hold the exchange (exchange.go).
//   - run.go is the table of contents. It decides, and settles what is open about who may (authorize.go): password.go
//     checks a password, subrequest.go asks another service. It reads what has come of the body (upload.go), waits in
//     the cluster's queue. Then it picks an endpoint, for which it may have to wait too (pick.go). Then it makes
//     attempts until one is answered, and records (record.go).
//   - try.go is one attempt. It leases a connection (upstream.go; h1_upstream.go, h2_upstream.go, h2_lease.go and
//     h2_pool.go for the two versions). It writes the head (request_head.go) and waits for the response head, for long
//     without a goroutine (park.go). What it knows is an [Attempt] (attempt.go).
//   - response.go passes the response on (splice.go: large bodies, both ways), and upgrade.go makes a tunnel of it.
//     retry.go says when another attempt is right, and replay_buffer.go keeps the body for it. deadlines.go says how
//     long anything is waited for, and local_reply.go what the client is told when there is no response.
//   - h2_conn.go chooses who carries a stream: its connection's reading goroutine where nothing has to be waited for
//     (h2_inline.go), else a worker (workers.go).
//
// mirror.go sends the copy of a request to another cluster, where its route wants that.
//
// The methods of an exchange lie in the files of these steps, so its file and theirs refer to each other.
//
// # Promises
//
//   - Everything is bounded: bodies in memory (16 KiB, 64 KiB where a route retries), streams, retries.
//   - In the steady state an HTTP/1.1 request allocates nothing.
//   - Who leads a request ends what it started: the uploading goroutine and the upstream connection never outlive it.
//   - An endpoint is told of the span of the attempt, whoever carries it (trace.go).
//   - A request never waits for its copy. Copies are bounded in number, size and time; what is lost of them is counted.
//   - A panic ends one request and its connections; what it held is given back (recover.go).
//
// # Not here
//
// Connections and listeners (package proxy), routes (route), the wire (http1, http2), sockets (netio).
//
// # Decisions
//
// An exchange is written once, against two interfaces: downstream and upstream. The four pairs of versions differ in
// who implements them.
//
// While a request waits in a goroutine, the client's socket is polled every 100 to 500 ms instead of being read by a
// second one. A client that is gone is noticed a little later, and nobody else pays for it. Of a stream that is reset
// its connection tells at once.
//
// A request that has waited for 25 ms for the response of an HTTP/1.1 endpoint gives its goroutine up, and the kernel
// watches both sockets. The stack is half of what such a request takes, and of these there are thousands where an
// endpoint is slow. Sooner, it would cost each request two system calls and a goroutine.
//
// A response whose endpoint falls silent in its middle, such as a stream of events, is waited for in the same way. That
// begins at the first poll of the client, once the response has lasted for a second. No buffer is held before that
// either, unless the body came fast. A tunnel keeps its two goroutines, and holds no buffer while nothing comes.
//
// A connection that was idle for 10 ms or longer is looked at before it is used again. Behind a response that could
// have no body it always is. What an endpoint sends without being asked would be taken for the next response. A look
// each time would cost 5 % of a request.
//
// So a dead upstream connection is noticed in these places. Of HTTP/1.1, while it is idle: the pool reaps it
// (cluster.Set.Tick), or does not give it out (cluster.Endpoint.Take, whose look is upstreamH1.Usable). Before a
// request goes out on it, sound looks (try.go). In use: awaitHead and what reads the response get the error (try.go,
// response.go). After that, stale says whether the request may go out again. Once no response came in time, TimedOut
// makes the pool doubt those that are idle (cluster.Endpoint.Doubt). At the end of a request, GiveBack keeps none that
// has more to read (h1_upstream.go).
//
// Of HTTP/2 the goroutine that reads a connection notices at once, and h2Pool.drop takes it out of the pool. A write
// that fails ends the connection too. One that is silent while streams wait is sent a PING: after a request has waited
// without a response (http2/doubt.go), and at intervals (http2/timers.go).
//
// Where the document says nothing of retries, a request still goes on to another endpoint when no connection could be
// made, as in L4. Nothing was sent, so nothing can go wrong. The death of one endpoint of several costs only what was
// in flight on it.
//
// A body is kept for another attempt while it goes upstream, instead of being collected before. The first attempt is
// not held up. A stream whose client waits for a response before it ends can be tried again too.
//
// A question about a request is an exchange too, whose downstream keeps what comes. So it has all that a request has,
// such as attempts, passive health, pools, both versions and the client that goes away.
//
// The copy of a request is such an exchange too. It is sent when all of the request has been read, not along with it. A
// shadow that does not take its copy would otherwise have to be waited for, or its copy be cut off in the middle.
//
// The retry budget is a share of the live requests, plus what was saved while nothing failed. One endpoint of three
// that dies fails a third of the requests in one moment. A share small enough for an outage would not allow so many
// retries.
package forward
