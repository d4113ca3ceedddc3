// Package relay carries requests from HTTP/2 to HTTP/2 without a goroutine of their own. The reading goroutines of the
// two connections pass them on, event by event.
//
// # Life of a request
//
//   - relay.go starts it, for a request that package route has decided on and that may never have to wait for anything
//     but its peers. It records it at the end.
//   - client_events.go and server_events.go take the events of the two streams. deadlines.go sets the times that
//     package forward's rules give. response.go writes heads and local replies to the client.
//   - fallback.go gives a request that the endpoint did not process to an exchange of package forward.
//
// # Promises
//
// The states of request and response, the attempt and the record are guarded by one lock. It is taken before a
// connection's, and never under it. A relay has no downstream that blocks: it cannot wait.
//
// # Decisions
//
// A second way to carry bytes, because a goroutine for each gRPC call costs twice what HAProxy needs for all of it. It
// shares every rule with the first. What would have to wait (a connection to be made, a retry) is left to that one.
package relay
