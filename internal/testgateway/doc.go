// Package testgateway runs one data plane, with a revision, as package sidecar does: for the tests of both planes.
//
// # Life of a gateway
//
// [New] makes what the planes share (gateway.go) and has the test make its plane of it. [Gateway.Apply] brings a
// document into service; [Gateway.Prepare] stops before that. When the test ends the plane is drained, and all that it
// has taken must have been given back. [AccessLog] (accesslog.go) reads what it writes. What it needs for each
// connection is measured by a test that runs [Apart] (footprint.go), with [Sockets].
//
// # Promises
//
//   - Everything ends with the test. Methods are for the goroutine of the test: they end it when something goes wrong.
//   - What is waited for is waited for as long as [Patience], and not by a fixed time.
//
// # Not here
//
// Clients and endpoints: each plane's tests have their own, and those of HTTP/2 are in testpeer. Nothing outside
// _test.go files imports this package.
package testgateway
