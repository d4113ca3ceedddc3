// Package testcert makes the certificates that tests need, when they need them.
//
// # Life of a certificate
//
// [NewCA] makes a root in memory. [CA.Leaf] signs a certificate for what [Leaf]
// asks: names, SPIFFE URI, a life in the past, an RSA key. [Pair.Write] puts it
// into files, replacing what is there as an editor or a deploy tool would: in
// one rename each. [CA.Write] does the same for the root.
//
// # Promises
//
//   - Nothing is shared between two calls: each has its own key and serial number.
//   - Whatever goes wrong ends the test.
//
// # Not here
//
// tls.Config: a test builds its own client's. Nothing outside _test.go files
// imports this package.
//
// # Decisions
//
// Made at test time, not committed: a certificate in a repository expires on the
// day nobody expects, and its key trips every scanner.
//
// P-256 unless a test asks for RSA: making an RSA key takes up to a second.
package testcert
