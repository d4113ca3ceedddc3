// Package mtls has the certificates of the gateway and the authorities that it trusts. It reads them and their keys,
// watches the files, and makes the tls.Config of every listener and cluster. No other package builds one.
//
// # Life of a certificate
//
// [Set.Prepare] (prepared.go) goes through a revision's listeners and clusters. Each pair of certificate and key, and
// each CA file, is one source (source.go), shared by all who name the same files. It is read within bounds, and parsed
// whole (pem.go) into material that is never changed. A [Server] (server.go) is a listener's certificates, indexed by
// name (sni.go), and its rule for clients. A [Client] (client.go, verify.go) is a cluster's roots, its pair and the
// name or URI to expect.
//
// The files are watched (internal/filewatch). When one of them may have changed, every source is read again. A source
// that is whole replaces its material. Each server and client of it then builds its state anew and publishes it by one
// atomic store. A source that is broken keeps what it had, and is told once in the log and, while it lasts, in
// [Set.Status] (status.go).
//
// A handshake reads one pointer. Afterwards [Identity] and [Server.ForwardedCert] (peer.go, name.go) say who the client
// is, and [Reason] (reason.go) why it did not come to that.
//
// # Promises
//
//   - A handshake sees one state whole: never a new certificate with an old key, or new roots with old tickets.
//   - New connections see a changed file within two seconds, mostly within a tenth. Connections that are open stay as
//     they are.
//   - Once a revision is prepared, no state of its files takes away what serves. What is missing, cut off, mismatched
//     or no certificate at all is reported and ignored. A certificate that has expired is whole: it serves.
//   - The log has each certificate in service 14 days before its end, a day before it, and when it has ended, once each
//     (expiry.go).
//   - Session tickets are good as long as a listener's rule for clients (clientRule). They are not shared between
//     listeners. They are kept when our certificates change, and void when client_auth or the content of the CA file
//     does.
//   - A client's sessions are per cluster and endpoint, and void when its roots or its pair change.
//   - Everything is safe from any goroutine. There is at most one goroutine (and the watcher's own), from the first
//     file to [Set.Close], beside that of [Set.RunExpiry]. What is given out works on after [Prepared.Close] and
//     Set.Close; only its files are no longer watched.
//   - Text from peers that reaches a log, /status or a header is printable ASCII and bounded. No error quotes a key.
//
// # Not here
//
// Accepting, deadlines and the number of handshakes (proxy, l4); counting them (telemetry). Whether a document makes
// sense (internal/config) and the warning about insecure_skip_verify (sidecar); removing a client's own
// X-Forwarded-Client-Cert (proxy).
//
// # Decisions
//
// One tls.Config for ever, with GetConfigForClient, instead of one per accept: whoever keeps it still gets new
// certificates. The inner configuration is built when files change, not per handshake.
//
// Ticket keys are in a tls.Config of their own, through WrapSession and UnwrapSession. The package crypto/tls rotates
// them daily, and they can outlive a certificate but not a rule. Turned down: explicit keys (a rotation of our own).
// Also turned down: re-verifying resumed clients in VerifyConnection (a signature check each time; a full handshake
// after a change of roots does the same once).
//
// Reading all sources at each event instead of only those that an event names. A file is small, an equal digest ends
// it, and nobody can be wrong about which file a link led to. For the same reason contents are compared, not times and
// sizes.
//
// A CA file with one unreadable certificate is refused whole, and a PEM block that is cut off is an error. crypto/x509
// would skip both, and serve half a chain while the file is being written.
//
// A new file that is no nearer to its end than the one before it was is not warned about. Where certificates live for a
// day or an hour, each renewal would be a warning.
//
// A revision whose files are known is prepared from their last good content, even if they are broken on disk just then.
// A rotation in progress must not block a change of routes.
package mtls
