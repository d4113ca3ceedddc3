// Package sidecar is the top layer: it reads the bootstrap, wires the layers below, puts revisions into service, and ends the process
// in good order. The verbs of the command line are in package cli.
//
// # The house
//
//	layer 4   main.go                              arguments, signals, exit code
//	layer 3   sidecar, sidecar/cli                 bootstrap, wiring, revisions, drain, admin port, verbs
//	layer 2   discovery  proxy  l4                 where documents and endpoints come from | L7 | L4: none imports another
//	layer 1   mtls  internal/cluster  internal/proxyproto  proxy/http1  proxy/http2
//	layer 0   internal/config  telemetry  proxy/message  internal/netio
//
// Imports point down; layers_test.go holds it, and the fences (which package alone may import Consul's API, OpenTelemetry's SDK, envconfig).
//
// # Life of a request
//
// See package proxy; of a connection at L4, package l4.
//
// # Life of a revision
//
//   - A source of package discovery (env, file, consul) delivers the document's text to the applying goroutine (apply.go), the only writer.
//   - Package config decodes it, puts the bootstrap's values (base.go) under it, and lists all that is wrong. A bad document changes
//     nothing: it is noted (status.go), counted and logged with its reasons.
//   - Certificates, clusters and the tables of both planes are prepared; endpoints of services that are new are waited for, for a bounded
//     time. Any failure drops what was prepared.
//   - Commit: one pointer for each plane. What is no longer named is retired.
//   - Between revisions the same goroutine hands the catalog's answers to the clusters that asked.
//
// The bootstrap is env.go (the one struct), flags.go, load.go and what they parse; the admin port admin.go and its neighbours.
//
// # Promises
//
//   - The process never ends because Consul, a collector or a document is missing or bad.
//   - The bootstrap's own revision serves at the latest two seconds after the start; the source's replaces it when it comes.
//   - The stop is ordered (drain.go): not ready, a delay, no new connections, what is in flight, the rest is cut, last metrics.
//   - Every goroutine that Run starts has ended when Run returns, but for one that is stuck in a write of the access log.
//
// # Not here
//
// Anything about a request, a connection or Consul's protocol.
//
// # Decisions
//
// Two kinds of setting, never mixed: bootstrap (a restart changes it) and revision (hot). Bootstrap values are the defaults of each revision.
//
// Readiness does not depend on Consul: with routes of the bootstrap's own, or a revision in service, traffic can be served.
//
// Memory of a burst is given back once it is quiet (trim.go): a gateway that allocates nothing rarely collects, and an idle sidecar should
// cost its neighbours nothing.
package sidecar
