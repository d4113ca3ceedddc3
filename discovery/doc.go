// Package discovery delivers the document that a revision is made from, from
// the environment or from a file. Package consul, below it, delivers documents
// and endpoints from Consul.
//
// # Life of a change
//
// A [Source] ([NewEnv], [NewFile]; env.go, file.go) delivers a [Document]
// whenever what it reads has changed. file.go is told by internal/filewatch, after
// 50 ms without a change. A [Tracker] keeps the [Status] of each source for people
// (status.go).
//
// # Promises
//
//   - A source skips no state and waits for its receiver.
//   - Errors deliver nothing and end nothing: what was delivered last holds. They
//     are in Status, and logged when they begin and end. No Run returns before its
//     ctx ends, and none leaves a goroutine behind.
//   - Documents are never edited after delivery. A document's Hash is its identity.
//
// # Not here
//
// What a document says: internal/config. What follows from a document that is
// Negative or Refused: sidecar, which keeps the active revision.
//
// # Decisions
//
// The sidecar wires both packages. So consul may use the types of this package,
// and this package needs no interface for what only one source has.
package discovery
