// Package consul speaks to Consul, and nothing else in the gateway does. It delivers the document
// of a revision from the KV store, and the instances of the services that the revision names from
// the catalog.
//
// # Life of a change
//
// [Client.Source] (kv.go) delivers a discovery.Document whenever its key changes, and a [Catalog] the [Endpoints] of
// each [Query]. Both run the one loop of watch.go. It queries the agent (client.go, link.go, token.go) to answer when
// something has changed (watch_query.go, request.go). It confirms what seems lost (watch_result.go), delivers, and
// queries again as often as a token bucket allows (pace.go). After an error (fault.go) the loop keeps what is known and
// backs off. The monitor (monitor.go) finds out whether Consul responds (probe.go), and looks at what a parked request
// may not see (compare.go).
//
// A key may hold a pointer in the place of a document (pointer.go). The parts that it names are read,
// and are the document, of one file or several, if their hash is the pointer's. [Revisions] is the
// writing side, for people's verbs: it looks, pushes by check-and-set (revisions.go), and keeps a
// history (history.go).
//
// An [Ack] (ack.go) says what became of the documents (verdict.go), in a key that a session holds (session.go). It is
// apart from the watches: what goes wrong with it is in its own status alone. [Verdicts] is the reading side, for
// people's verbs (verdicts.go).
//
// [Client.Locate] tells where the agent is (location.go).
//
// [Registrar] keeps the gateway's own service at the agent (registrar.go, registrar_agent.go).
//
// query.go has what a cluster asks for. health.go decodes what Consul says of a service into records. endpoints.go maps
// records to what a [Query] wants, as Consul does for Envoy. subscriptions.go runs one watch for each service that the
// queries of catalog.go name.
//
// # Promises
//
//   - Nothing is delivered on suspicion. That a document or an instance is gone is delivered only when a plain read
//     from the leader says so too. So is every result that is odd: index 0 or 1, an index lower than before, other
//     content at the same index. So is what an agent's own view says right after the leader said something else. A 403,
//     a result that is marked as filtered by ACLs, and an empty list without a token are errors, never "nothing".
//   - Errors deliver nothing and end nothing: what was delivered last holds, without an age limit.
//     They are in Status, counted through Options.CountError, and logged when they begin and end.
//     No Run returns before its ctx ends, and none leaves a goroutine behind.
//   - A source skips no state and waits for its receiver; a Catalog skips all but the latest and
//     waits for nobody. The first result of a query is known to [Catalog.Wait], also when it is
//     that nothing is registered.
//   - Documents and endpoints are never edited after delivery. A document's Hash is its identity;
//     Consul's indexes are for people.
//   - Consul sees at most one request per watch at a time, 64 watches (240 over HTTP/2), after that a few polls. Every
//     request has a deadline, every response a limit, and the token of the moment it was sent. Beside that there are
//     some 25 small requests a minute, or one a second while Consul does not respond. There are also 6 looks a minute
//     for each watch, up to 80 of them.
//   - What Consul holds is delivered within 2 s of its return from an outage, and within 5 s if its connections died
//     without a sign. It is delivered within 14 s where only a look can tell. Such are an index of the future, an
//     address that leads to another Consul, and one endpoint that lost its requests.
//   - A registrar changes and removes no service but its own, and takes two seconds at most for its end.
//   - A push writes parts, meta and pointer, in this order. A pointer that a gateway sees leads to a whole document,
//     also if somebody prunes the history at the same time. Prune deletes only while the pointer that it knows is live.
//     Push looks for its parts once more after its pointer is live. A pointer without its parts is a Refused document,
//     and is looked at again every 10 s.
//   - A verdict is written on change only, within half a second and after ten changes at most every two seconds.
//     It goes away with its gateway. A token without the rights makes one request every few minutes.
//
// # Not here
//
// What a document says: internal/config. What follows from the facts: sidecar keeps the active revision when a document
// is Negative or Refused, and waits for first responses before it serves. It names what is orphaned. internal/cluster
// holds the last endpoints for a while when they are all deregistered, and applies only_passing. It uses critical
// instances when nothing better is left, and drains those in maintenance. Consul Connect is not built.
//
// # Decisions
//
// Requests are made with net/http, not with the methods of the library's client. It reads CONSUL_* and builds TLS as
// Consul's command line does, and is used for that alone. Its client ignores bad index fields, buffers whole
// responses, and follows redirects with the token. It reads the token file once, and gives up keep-alive on unix
// sockets. A test holds our reading of addresses against the library's.
//
// The tags of a query are applied here and not by Consul. One query per service, the same from all sidecars, is one
// view in the agent. A filter is Consul's to evaluate, so each has a watch of its own.
//
// So are the names of ports. An instance without the one that a query wants is told of by watch, like one without an
// address. It may be wanted by other queries.
//
// A filter that Consul refuses has a class of its own: it is a response, so Consul is not probed as if it were away.
//
// An instance whose weight is below 1 is Critical and not absent. It stays a candidate when all else has failed, as
// the panic policy wants. Weights end at 128, as Consul's do for Envoy.
//
// Of several instances with one address the healthiest counts. The registration that an instance left behind on a lost
// node must not take its successor down.
//
// The folder of a revision is named by its meaning, as the gateway tells it, and its parts by the hash
// of their bytes. So two texts of one meaning are one entry of the history, and neither breaks the other.
//
// The history is in the order of Consul's writes: the clocks of those who push may differ.
//
// A 404 for a single key is believed also without a token, since Consul says 403 to those who may not read it. An empty
// list is not.
//
// The session of a verdict has no check of the agent's node: at a restart of an agent all its gateways would fall
// silent. A gateway takes its key over from whoever holds it, in one transaction. With a lock that is waited for, the
// successor of one that was killed would be silent for two minutes.
//
// A gateway has one verdict, that of the newest document which it saw. So no verdict says "superseded": the one about
// the newer document is in its place. A second key for the older one would cost a write per gateway and push, and
// nobody would read it. Who waits for an older document learns from a verdict about another one that it is to look at
// what is live. The history of /status has the state, for it has more than one document.
//
// A token file that is missing or empty after it held a token leaves that token in use. One that was never there keeps
// us from sending requests: a request without a token would get a response as if there were nothing.
//
// A request that does not block is a consistent one. A server that was just elected answers others before it has
// applied its log. It then says what was true long ago, or that there is nothing. A consistent request waits until it
// has.
//
// The confirmation of an absence is skipped when absence is what we know: an empty folder is woken
// by every write to the store.
//
// Probes and looks have a connection each. A dead one that is kept would make them blind too, and
// one that leads to a former server says what was true there. A beat is the contrary: it uses a
// connection that there is already, since nothing else tells that one died. Its connection is given
// up only when a new one is answered first; so a Consul that is slow to all loses none.
//
// A request with an index is not repeated by net/http when its kept connection breaks. The address may
// lead to another Consul by then, where that index may be far in the future.
//
// The index of an agent's view need not be the leader's. A look restarts a watch for a lower index
// once; for other content it restarts all, over new connections.
//
// A service is the gateway's own if its meta data names the instance: an id alone could be anybody's. A maintenance is
// the gateway's own by its reason. So a process that was killed leaves nothing that the next one could not take up.
//
// The check of the gateway's own service is told both ways at once. Its time only runs out for a gateway that says
// nothing: what is not ready should get no requests for 15 seconds.
//
// CONSUL_HTTP_SSL and CONSUL_HTTP_SSL_VERIFY must be booleans: the library takes anything else for
// no TLS and for no verification.
package consul
