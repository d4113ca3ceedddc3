// Package cluster keeps the endpoints of every cluster. It knows which one is next, which are healthy, the idle
// connections to them, and the limits on all that. Both planes use it.
//
// # Life of a lease
//
// [Cluster.Pick] counts the request against the limits, loads the list of endpoints once (view.go)
// and lets the balancer choose (balance.go, random.go, hash.go, prefer.go). [Endpoint.Take]
// gives the most recently used idle connection (pool.go). When there is none,
// [Cluster.ReserveWithin] gives a [Slot] to dial under (limits.go), at the limit it waits, if there
// is time. [Endpoint.Put] gives the connection back. [Endpoint.Done] ends the lease with an
// [Outcome], which feeds passive health (outlier.go, health.go). What lives long calls
// [Endpoint.Report] as soon as the endpoint has proved itself. A retry passes the same [Tried] to
// its next Pick. Where Pick finds none, [Cluster.Await] waits for the first response of the catalog
// (await.go), if that is still missing.
//
// # Life of an endpoint
//
// [Set.Prepare] builds a revision's [Cluster] on the endpoints that are there (set.go, group.go).
// [Cluster.SetEndpoints] takes what Consul says (instance.go, feed.go, flap.go), keeps for a while what seems lost
// (hold.go), and stores a new list. [Cluster.Check] does so for what active checks find (check.go). [Set.Retire] names
// the clusters that serve; what they do not name is closed. [Set.Run] keeps time.
//
// # Promises
//
//   - Pick, Take, Put and Done together allocate nothing, use no map, and block on nothing but
//     short locks. Conn.Close and Conn.Usable are called outside those locks, but for the reaper's
//     Usable (it peeks at up to 32 sockets in one hold).
//   - Every successful Pick is ended by exactly one Done; every Slot is released when its
//     connection is closed, by Conn.Close itself.
//   - One goroutine calls Prepare, SetEndpoints and Retire; Run is one more; all else is safe from
//     any goroutine.
//   - Health (failures, ejection, slow start, in-flight) is keyed by (cluster name, address). It survives revisions,
//     and for five minutes the absence of the endpoint or of the whole cluster. So do the turn of the round robin and
//     the counts behind the limits: a reload changes no sequence.
//   - Idle connections survive revisions too, unless protocol, TLS or PROXY protocol changed: those
//     are other endpoints of the same health.
//   - Nothing is unbounded: idle connections are bounded by keepalive.max_idle, those who wait by limits.max_pending
//     and their context, memory of endpoints gone by number and time. For the first endpoints as many more may wait as
//     there may be connections.
//   - One goroutine checks a cluster, with at most 16 probes under way; they end with the cluster's
//     revision, and their verdicts do not.
//   - Outcomes of clients that went away, and of our own limits, never count.
//
// # Not here
//
// Dialling, TLS, protocols, retries and their budget, Consul, how a check is made. Addresses are
// host:port strings: a host name is resolved by the dialler at each dial, and counts as one
// endpoint whatever it resolves to.
//
// # Decisions
//
// One small lock per cluster for round robin. A turn of the smooth round robin reads and writes
// every endpoint; done without a lock, two callers pick the same one. It is held for some 20 ns and
// 2 ns an endpoint; a sole endpoint takes no lock. Above 64 endpoints draws at random by weight are
// even enough and need neither lock nor scan. The idle stack has a lock per endpoint.
//
// De-preference is for round robin only, with or without passive_health. Each failure takes 1/consecutive_failures (1/5
// without) of the endpoint's weight, each turn of its own gives 1/32 back, whoever is picked. So the failures of a
// half-broken endpoint are held to about a sixth of its share of requests. nginx gives back 1 a pick, which for a
// weight of 1 is all of it at once. The other balancers know only the gate and the slow start: least_request avoids a
// slow endpoint by its load.
//
// A hash cluster has Maglev's table: one look finds the endpoint of a key among any number. A ring would move exactly
// the keys that must move, and costs a search of some 100 ns among 1,000 endpoints. This table moves a few in a hundred
// more. It is made anew, in 2 to 4 ms, only when an address or a weight of those in use changes.
//
// Ejection is by failures in a row, for base_ejection times the number of ejections, up to max_ejection (as Envoy). The
// number falls by one for each base_ejection with successes and without an ejection. The end of an ejection is no
// return but a probe: one request at a time, at a tenth of the weight. Success opens the gate and starts slowly (10 %
// to 100 % of the weight over slow_start), failure ejects again at once. So a dead endpoint costs one request an
// ejection. A probe that says nothing is joined by another after 5 s, then 10, 20 and so on. max_ejected_percent is
// rounded down. But of several endpoints one may always be out (as Envoy). The sole one never is, unless clusters stand
// in: there is no other to use.
//
// Panic: when no endpoint is both healthy by Consul and not ejected, all that are not in
// maintenance are used, unless the cluster says `panic: never`. If all are critical in Consul,
// passive health still chooses among them. While all are ejected any success ends an ejection.
//
// Where a cluster prefers something its view has two parts (prefer.go), as Envoy has priorities. The near one takes all
// requests while 1/1.4 of its weight is healthy, then as much as that. A pick draws the part, and the balancer chooses
// in it. The share changes with ejections and, ten times a second, with slow starts: so an endpoint that returns alone
// takes over slowly. One that is probed counts a tenth, or it would never be probed.
//
// Consul takes endpoints away slowly (after a confirmed response; see discovery/consul). The last
// ones deregistered are held for consul.empty_hold (30 s): an agent that restarts takes its node's
// services along for seconds. A delivery that loses more than half of four or more is applied one
// by one over 5 s. When others come back during a hold, the held ones go within 5 s. Maintenance
// and weight 0 are set by an operator, and act at once. More than three transitions in 60 s: the
// endpoint returns with a slow start.
//
// Active checks are a third fact beside Consul's and passive health. They take out and bring back like Consul's (views
// are built anew), and end no ejection. An endpoint is used until its first check, which decides alone. So a gateway
// that starts serves at once, and finds a dead endpoint at once.
//
// A cluster of which the catalog has said nothing is not empty. Its requests wait, and outlive a revision that has the
// same query under another name or filter. So a cluster that is retired, and gets no changes any more, takes once what
// another one was told.
//
// What the set's mutex and that of a group guard is annotated, and so are the functions that need them. The analyzer
// cannot know that all groups are of one set, and all healths of a group of that group. Where a loop passes from one to
// the other, a line is excepted ("one set", "one group").
//
// Time is coarse on the hot path (100 ms): a connection idle for "over a second" is one of 0.9 to
// 1.1 s.
package cluster
