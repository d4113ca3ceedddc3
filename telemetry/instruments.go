package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
)

// instrument is what a collector is told of a metric. Names, units and
// descriptions of the conventions of OpenTelemetry are taken as they are there.
type instrument struct {
	kind                    metric.InstrumentKind // decides between sum and delta
	name, unit, description string
}

const (
	counter      = metric.InstrumentKindCounter
	upDown       = metric.InstrumentKindUpDownCounter
	histogramOf  = metric.InstrumentKindHistogram
	gauge        = metric.InstrumentKindObservableGauge
	counterRead  = metric.InstrumentKindObservableCounter       // read from elsewhere, not counted by us
	upDownRead   = metric.InstrumentKindObservableUpDownCounter // the same for a level
	seconds      = "s"
	bytesUnit    = "By"
	noUnit       = "1"
	noStatusType = "_OTHER" // error.type where nothing better is known
)

// Every metric of the gateway, in the order in which they are exported.
var (
	serverDuration = instrument{histogramOf, "http.server.request.duration", seconds,
		"Duration of HTTP server requests."}
	activeRequests = instrument{upDown, "http.server.active_requests", "{request}",
		"Number of active HTTP server requests."}
	clientDuration = instrument{histogramOf, "http.client.request.duration", seconds,
		"Duration of HTTP client requests."}

	connections = instrument{upDown, "gateway.connections", "{connection}",
		"Number of client connections that are open."}
	connectionsAccepted = instrument{counter, "gateway.connections.accepted", "{connection}",
		"Number of client connections accepted."}
	connectionsLimit = instrument{gauge, "gateway.connections.limit", "{connection}",
		"Number of client connections that may be open at a time."}
	descriptors = instrument{gauge, "gateway.descriptors", "{descriptor}",
		"Number of file descriptors that the process has open."}
	descriptorsLimit = instrument{gauge, "gateway.descriptors.limit", "{descriptor}",
		"Number of file descriptors that the process may have open."}
	l4IO       = instrument{counter, "gateway.l4.io", bytesUnit, "Bytes forwarded on L4 connections."}
	l4Duration = instrument{histogramOf, "gateway.l4.connection.duration", seconds,
		"Duration of L4 connections."}

	connectDuration = instrument{histogramOf, "gateway.upstream.connect.duration", seconds,
		"Duration of connecting to an endpoint, TLS included."}
	upstreamRetries = instrument{counter, "gateway.upstream.retries", "{retry}",
		"Number of attempts after the first."}
	upstreamOverflow = instrument{counter, "gateway.upstream.overflow", "{request}",
		"Number of requests and connections refused by a limit of the cluster."}
	mirrorDropped = instrument{counter, "gateway.mirror.dropped", "{request}",
		"Number of copies of requests that the cluster did not get, or did not answer, by reason."}
	upstreamEjections = instrument{counter, "gateway.upstream.ejections", "{ejection}",
		"Number of times an endpoint was ejected for failing."}
	upstreamEndpoints = instrument{gauge, "gateway.upstream.endpoints", "{endpoint}", "Number of endpoints by state."}
	endpointErrors    = instrument{counter, "gateway.endpoint.errors", "{error}",
		"Number of attempts that failed or got a 5xx."}
	upstreamPanic = instrument{gauge, "gateway.upstream.panic", noUnit,
		"1 while endpoints are used that are not healthy because none is."}
	failoverActive = instrument{gauge, "gateway.failover.active", noUnit,
		"1 while another cluster stands in for one without a usable endpoint."}
	preferShare = instrument{gauge, "gateway.prefer.share", noUnit,
		"Share of requests that goes to the endpoints of the same node or zone, of clusters that prefer those."}
	upstreamHeld = instrument{gauge, "gateway.upstream.held", "{endpoint}",
		"Number of endpoints that are used for a while after the catalog lost them."}

	faults = instrument{counter, "gateway.faults", "{fault}",
		"Number of requests and connections that ended badly, by flag."}
	panicsRecovered = instrument{counter, "gateway.panics.recovered", "{panic}",
		"Number of faults of the gateway itself, each of which ended one request or connection."}
	tlsHandshakes = instrument{counter, "gateway.tls.handshakes", "{handshake}",
		"Number of TLS handshakes with clients."}
	certificateExpiry = instrument{gauge, "gateway.tls.certificate.expiry", seconds,
		"Time until the certificate expires; negative once it has."}
	certificateExpired = instrument{gauge, "gateway.certificate.expired", "{certificate}",
		"1 once the certificate has expired, else 0."}

	revisionInfo = instrument{gauge, "gateway.revision.info", noUnit,
		"Always 1; the attribute names the revision that serves."}
	revisionApplied = instrument{counter, "gateway.revision.applied", "{revision}",
		"Number of revisions that came into service."}
	revisionRejected = instrument{counter, "gateway.revision.rejected", "{revision}",
		"Number of revisions refused, by reason."}
	revisionHeld = instrument{gauge, "gateway.revision.held", noUnit,
		"1 while a revision is not applied because it would take the endpoints from what serves."}
	revisionRolledBack = instrument{counter, "gateway.revision.rolled_back", "{revision}",
		"Number of revisions that were taken out of service again since they made requests fail."}
	revisionAge = instrument{gauge, "gateway.revision.age", seconds,
		"Age of what serves from the state directory; only until the source delivers."}
	discoveryErrors = instrument{counter, "gateway.discovery.errors", "{error}",
		"Number of errors of the source of documents and endpoints."}
	discoveryAge = instrument{gauge, "gateway.discovery.age", seconds,
		"Time since the source of documents and endpoints last answered."}
	accessLogDropped = instrument{counter, "gateway.access_log.dropped", "{line}",
		"Number of lines of the access log lost to a full buffer."}
	spansDropped = instrument{counter, "gateway.spans.dropped", "{span}",
		"Number of spans that were lost: too many waited, or the collector did not take them."}

	goMemoryUsed      = instrument{upDownRead, "go.memory.used", bytesUnit, "Memory used by the Go runtime."}
	goMemoryAllocated = instrument{counterRead, "go.memory.allocated", bytesUnit,
		"Memory allocated to the heap by the application."}
	goMemoryAllocations = instrument{counterRead, "go.memory.allocations", "{allocation}",
		"Count of allocations to the heap by the application."}
	goMemoryGCGoal = instrument{upDownRead, "go.memory.gc.goal", bytesUnit,
		"Heap size target for the end of the GC cycle."}
	goGoroutineCount = instrument{upDownRead, "go.goroutine.count", "{goroutine}", "Count of live goroutines."}
)

// The attribute keys. Those without the prefix gateway are the conventions'.
const (
	attrMethod     attribute.Key = "http.request.method"
	attrStatus     attribute.Key = "http.response.status_code"
	attrGRPCStatus attribute.Key = "rpc.grpc.status_code"
	attrRoute      attribute.Key = "http.route"
	attrScheme     attribute.Key = "url.scheme"
	attrErrorType  attribute.Key = "error.type"
	attrTLSVersion attribute.Key = "tls.protocol.version"
	attrMemoryType attribute.Key = "go.memory.type"

	attrCluster     attribute.Key = "gateway.cluster"
	attrListener    attribute.Key = "gateway.listener"
	attrPlane       attribute.Key = "gateway.plane"
	attrDirection   attribute.Key = "gateway.direction" // upstream: client to endpoint; downstream: back
	attrState       attribute.Key = "gateway.state"     // healthy, ejected, unhealthy
	attrFlag        attribute.Key = "gateway.flag"
	attrResult      attribute.Key = "gateway.result" // ok, error
	attrCertificate attribute.Key = "gateway.certificate"
	attrEndpoint    attribute.Key = "gateway.endpoint" // its address
	attrRevision    attribute.Key = "gateway.revision"
	attrReason      attribute.Key = "gateway.reason"
)
