// Package healthcheck asks endpoints how they are, as health_check in the document says. It does so by connecting
// (tcp), by a GET request (http) or by the gRPC health protocol (grpc).
//
// # Life of a check
//
// [Checker.Probes] (checker.go) makes a cluster.Probe for each cluster of a revision whose document wants one. When to
// ask, and what the results mean, is for package cluster. A probe connects as the cluster's requests do, with PROXY
// header and TLS, asks (http.go, grpc.go) and closes the connection. What a pooled connection tells may be about the
// connection alone.
//
// # Promises
//
//   - A probe ends with its context, and leaves no connection and no goroutine behind.
//   - What is read of a response is bounded: by the limits of a head, 16 interim responses, and 4 KiB of a gRPC
//     message.
//   - A panic in a probe ends this probe without a verdict, is told to Options.Panicked, and ends nothing else.
//
// # Not here
//
// Intervals, thresholds and states are package cluster's; what requests show of an endpoint is too.
package healthcheck
