// Package sidecar is the top layer: it reads the bootstrap, wires the layers below, puts revisions into service, and
// ends the process in good order. The verbs of the command line are in package cli.
//
// # Layers
//
// Imports only point down. layers_test.go has the layer of each package, and the packages that alone may import
// Consul's API, OpenTelemetry's SDK and envconfig.
//
// # Life of a request
//
// See package proxy; of a connection at L4, package l4.
//
// # Life of a revision
//
//   - A source of package discovery (env, file, consul) delivers the document's text to the applying goroutine
//     (apply.go), the only writer.
//   - Package config decodes it, puts the bootstrap's values (base.go) under it, and lists all that is wrong. A bad
//     document changes nothing: it is noted (serving.go), counted and logged with its reasons.
//   - Certificates, clusters and the tables of both planes are prepared (revision.go has what belongs together).
//     Endpoints of services that are new are waited for, for a bounded time. After a failure one rollback undoes every
//     step before.
//   - Where the gateways of a service apply it one after the other, it waits for its turn (spread.go).
//   - A document that would take the endpoints from what serves is held (hold.go). One that cannot be prepared is tried
//     again for as long as it is the newest one (pending.go).
//   - Recent requests are matched against the new table (replay.go).
//   - Commit: one pointer for each plane. What is no longer named is retired.
//   - What became of the newest document is told in Consul (verdict.go), after each step of the applying goroutine.
//   - For a while the revision is on probation (probation.go): if it makes requests fail (judge.go), the one before is
//     put back.
//   - What serves is kept in the state directory (state.go). With it goes what is being tried (trials.go), and what
//     spares a start the parsing (state_trees.go). The content is that of kept.go. A start without its source begins
//     with it (restore.go).
//   - Between revisions the same goroutine gives the catalog's answers to the clusters that subscribed to them.
//
// The bootstrap is env.go (the one struct), flags.go, load.go and what they parse; the admin port admin.go and its
// neighbours.
//
// # Promises
//
//   - The process never ends because Consul, a collector or a document is missing or bad.
//   - The bootstrap's own revision serves at the latest two seconds after the start; the source's replaces it when it
//     comes.
//   - The stop is ordered (drain.go): not ready, a delay, no new connections, what is in flight, the rest is cut, last
//     metrics.
//   - Every goroutine that Run starts has ended when Run returns, but for one that is stuck in a write of the access
//     log.
//
// # Not here
//
// Anything about a request, a connection or Consul's protocol.
//
// # Decisions
//
// Two kinds of setting, never mixed: bootstrap (a restart changes it) and revision (hot). Bootstrap values are the
// defaults of each revision.
//
// Readiness does not depend on Consul: with routes of the bootstrap's own, or a revision in service, traffic can be
// served.
//
// A document that was being tried when the process ended is quarantined at the next start where another one can serve.
// Where none can, it is quarantined after three such ends. A kill or a loss of power must not leave a gateway with
// nothing. The trial ends with the probation, or 15 s after the swap. Its note is not synced to the disk: a loss of
// power is no document's doing.
//
// A pending document is tried again by time, from 1 to 30 seconds, and not by watching what is in its way. Nothing
// tells when a port becomes free. The ends of the process that a document has brought about are counted on while it is
// pending. An end that comes between two attempts to apply it is not counted.
//
// A fault counts for the table that has decided the request. Requests of the former revision may fail for long after
// the swap, and must not take back what heals them.
//
// A route without requests before cannot be worse than it was, and neither can one whose requests had no route. A new
// service that does not work yet takes nothing else back. A new route that takes requests from another is compared with
// that one. Listeners of HTTP are not judged: what fails there is no request, and anybody can make handshakes fail.
//
// That no route matches (NR) is not held against a revision, be it in HTTP or by server name. Which routes there are is
// the author's word. A route that was removed on purpose and one that was misspelt cannot be told apart. A revision
// that removes a route must not be undone by its clients. A push shows both, and apply.max_lost refuses what loses too
// much, before it serves. A cluster that may be empty by the author's will is not held against it for being so.
//
// A revision that is replaced on probation has passed if nothing speaks against it, however few requests it had. Else a
// row of pushes would go back to one of long ago.
//
// A hold asks for how many of its requests a route has endpoints, in weights, and not only whether it has any. A split
// with one empty cluster failed a share of the requests, and a probation ended that after seconds. For the same reason
// endpoints that the catalog calls critical do not stand for good ones. A new route counts as one that is gone if it
// takes requests of that one. Beside a route that stays, a new one to an empty service is its author's will.
//
// A turn is no hold: the metric of held revisions stays 0, and nothing is wrong. A rollback, which the pointer tells,
// has no turn, and neither has the first document after a start.
//
// A document that loses too many of the recent requests is not tried again by itself, unlike one whose port is taken.
// The requests of an hour later may be fewer, and it would come into service when nobody looks.
//
// What ends the process in good order while a revision is on probation keeps the one before it.
//
// A document that is replaced before its trial was over is kept then, unless something speaks against it. The rule is
// that of the probation: it is what a rollback would put back. Else a start without Consul would serve a document of
// long ago, where they come faster than trials end. It is written no more often than trials end, or once a minute. Its
// trial goes on at the next start, for it may not have served long enough to show what it does to the process. If what
// replaces it is the kept one, nothing is written. Else a kill would bring back what the author has just taken back.
//
// What is kept is as old as the last word of the source, not as the file.
//
// The trees of a large document are kept in a file of their own, beside its text. They are written after the text,
// without a sync, and found out to be of another text by its hash. No order of writes and crashes can pair the two
// wrongly. They are read within the trial of the document. What reads them wrongly is no worse than a parser that ends
// the process.
//
// Memory of a burst is given back once it is quiet (trim.go). A gateway that allocates nothing rarely collects, and an
// idle sidecar should cost its neighbours nothing.
//
// Under load up to 12 MB more garbage lies around than usual (garbage.go). The objects of a relayed call are left to
// the collector, since two connections share them. A pool would have to know when neither does. With a heap of 2 MB the
// collector would run twenty times a second for them, and take a sixth of the processor's time.
package sidecar
