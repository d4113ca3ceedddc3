// Package route compiles the routes of one revision into a table, and decides by it what is to be done with a request.
//
// # Life of a decision
//
//   - table.go compiles a document: route.go resolves each route (retry_policy.go, rate_limit.go, split.go),
//     router.go sorts them by host, prefix and conditions.
//   - decide.go is [Table.Decide], in the order of its steps. First come method, request id (request_id.go), what the
//     client may say of itself (client.go), path and route. Then come who may (access.go), rate limit, password
//     (basic_auth.go), cluster and deadlines (grpc.go). It ends in a [Decision] or a [LocalReply] (reply.go), which
//     may be the route's own or a redirect (redirect.go). Where a password has to be checked, or another service asked
//     (external_auth.go), it stops there, and [Decision.Proceed] goes on.
//   - edits.go has what a route edits of heads. It marks the fields that do not go on. The writer of the head asks it
//     for the fields that are added, behind all others. rewrite.go has the path that goes upstream.
//   - recent.go keeps the shapes of recent requests, and matches them against the table of a revision before its swap.
//     covering.go tells which route takes the requests that another one is for.
//   - explain.go asks the same router about a request that nobody sends (explain_request.go).
//
// # Promises
//
//   - A Table is immutable, but for the faults that are counted there: built, stored once, read by every request from
//     then on. Rate limits outlive it by route name.
//   - A decision blocks on nothing, does no I/O, reads no clock and allocates nothing, but for the first 1,000 shapes.
//   - A shape has what routes look at, and nothing else of a request.
//   - A request is decided once, whoever carries it then.
//
// # Not here
//
// What is done with a decision (packages forward and relay), endpoints (cluster), the document and its checks (config).
//
// # Decisions
//
// What a client that is not trusted says about itself never goes upstream. X-Forwarded-* of any name, Forwarded and
// X-Real-IP are dropped, in the head and in trailers alike, and the gateway writes its own X-Forwarded-*. Apps believe
// these fields, whichever they happen to read. Many also take X_Real_IP for X-Real-IP, so that one is dropped too;
// nginx drops every name with an underscore. A proxy in trusted_proxies may send them all. Traefik does the same; Envoy
// and HAProxy pass Forwarded and X-Real-IP unless told otherwise, which their guides warn of.
//
// A redirect to another scheme that names no port leaves out that of the request: a port has one scheme. One that names
// neither scheme nor host nor port is a path alone. So a proxy in front that nobody told us of does no harm.
//
// A pattern rewrites the normalised path: on the bytes that came, %75 in place of u would go around it. It is done with
// the decision, since what comes out may have to be refused. It costs what package regexp allocates for the groups.
//
// Edits of responses hold for local replies too, where a route matched: fields for CORS or HSTS are wanted in errors as
// well. Envoy does the same; HAProxy does it with http-after-response. The edits of the document and of a route become
// one when the table is built. So a request meets one list of names and one of fields.
//
// What an external authorization says of a client is told from what the client says. All fields of these names are
// taken out first, and those that an app may mistake for them. A response that is neither yes nor no, such as 404, is
// never taken for an error that on_error: allow would pass over. A wrong path would let in everybody.
//
// A shape is kept at most every 20 ms, in order of coming: a draw for each request would cost more, and say no more. It
// is kept as text and not as the route that it took, since both tables are to be asked in the same way.
//
// The cookie of sticky has a hash of the cluster's name. So all gateways and all revisions agree on it without a shared
// secret, and clients do not read names. It is only compared with the clusters of the route. A weight of 0 keeps who
// stays there, as HAProxy does it: so a canary is drained. To remove the cluster moves them at once. Traefik has only
// the second.
//
// A rate limit's buckets are kept under hashes of their keys, with a secret seed. They are small, and have no values of
// clients in memory. Nobody can choose a key that meets another's.
package route
