// Package docdiff tells what one document changes of another: by meaning, not by text.
//
// # Life of a comparison
//
// [Compare] takes two validated documents, so that defaults, comments and order that does not matter are no changes. It
// pairs listeners, routes and clusters by name, and a route without a partner by what it matches. [Meaning] says what
// follows for those who use the gateway (meaning.go).
//
// # Promises
//
// Both are pure functions. They never show more than the documents do, and those hold nothing secret.
//
// # Not here
//
// The one log line about a revision: internal/config. How a person reads a change: sidecar/cli.
//
// # Decisions
//
// The effective documents are compared as trees of JSON: a key that is added to the schema is compared without a line
// of code here.
package docdiff
