// Package testserver starts the real servers that tests run against: Consul, an
// OpenTelemetry Collector, nginx.
//
// # Life of a server
//
// A constructor ([Consul], [Collector], [Nginx]) finds the program with [Binary] and writes its configuration into a
// temporary folder. It starts it on loopback ports that nobody holds ([Port]), and returns when it answers. Stop kills
// it as a crash would; Start brings it back on the same ports with the same data. When the test ends the server is
// killed, and if the test failed, the end of the server's own log is printed.
// [Log] is for what a test reads while other goroutines write it.
//
// # Promises
//
//   - A server that is missing fails the test with the command that installs it;
//     no test is skipped in silence.
//   - Nothing outlives the test process, also when that is killed (on Linux).
//   - The methods of one server may be called from one goroutine at a time, that of the test. They end the test when
//     something goes wrong.
//
// # Not here
//
// Fakes. Faults that a real server does not produce on demand are made by the
// tests that need them. Nothing outside _test.go files imports this package.
//
// # Decisions
//
// Ports are picked below the range that the kernel hands out for outgoing connections. A server that is stopped for a
// while must find its ports free when it comes back.
//
// Consul is spoken to with plain net/http and JSON, not with its client library:
// what the gateway uses is not what checks the gateway.
package testserver
