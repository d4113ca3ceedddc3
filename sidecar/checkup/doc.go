// Package checkup looks at everything around a gateway that can be wrong, before its first start and while it runs.
//
// # Life of a checkup
//
// [Run] (checkup.go) looks at one part after the other. These are the gateway that runs (running.go), Consul, the
// token's rights and the clock (consul.go). Then come the document (document.go), and the services that it names
// (services.go). Certificates and other files follow (files.go) with the room on their disks (space.go), then
// descriptors and ports (machine.go) and the Collector (collector.go). Each part is a [Section] of findings.
//
// # Promises
//
// What is read is read by the code that a gateway reads it with. Nothing is changed. A port is bound and given back at
// once, and a file is made beside another and removed. About a session see [consul.Client.Lacks]. Run ends within a
// minute or so, whatever is silent.
//
// # Not here
//
// What findings look like (sidecar/cli), what is wrong with requests ([sidecar.Status]).
//
// # Decisions
//
// Rights are asked for and not tried: a try would write into the document's folder. What Consul is asked is what its
// own page for browsers asks. A Consul that does not answer that is no reason to call a token bad.
package checkup
