// Package identity has the names by which a certificate says who its owner is. It also has the patterns of such names
// that a document may ask for.
//
// # Promises
//
// A pattern fits names of its own kind only: a DNS name that looks like a URI is no URI. Names and patterns are
// compared in one form each, so that case decides only where it means something. All is safe from any goroutine; a
// comparison allocates nothing.
//
// # Not here
//
// Whether a certificate is to be believed (package mtls).
//
// # Decisions
//
// The subject of a certificate is not looked at. RFC 9525 has done away with it for servers, SPIFFE never had it, and
// authorities check it less than the names of subjectAltName.
//
// A star stands for one whole segment of a URI's path and for nothing else. Consul's names have the datacenter in their
// midst (spiffe://TRUST-DOMAIN/ns/default/dc/dc1/svc/web), so a prefix would not do. A pattern in which a star takes in
// slashes lets in who was not meant.
package identity
