// Package telemetry holds the instruments of the process, makes spans of
// requests, exports both over OTLP, and makes the logger. It is the only
// package that knows the OpenTelemetry SDK.
//
// # Life of a measurement
//
// When a table is built, its routes, clusters and listeners ask the [Registry] (registry.go) for their instruments by
// name, and keep the pointers. A request then counts with a few atomic additions. [Route.Record] (route.go) finds its
// histogram by small integers (enums.go, flag.go, status.go) and adds to a bucket (histogram.go). At each interval the
// SDK's reader asks the producer (producer.go) for everything. walk.go goes over the registry, collection.go makes
// points of what it finds, with the names of instruments.go, and exporter.go sends them. [Start] (provider.go) sets
// that up if the OTEL_* variables (env.go) name a collector.
//
// # Life of a trace
//
// A request gets its place in a trace when it has been decided on. [Tracer.Begin] (tracer.go) takes what it says of its
// caller (tracecontext.go, b3fields.go), asks the sampler, and gives it a span. That is a [Trace] (trace.go), of which
// the head for the endpoint is written. When the request has ended and its trace is recorded, [Tracer.Record] (span.go)
// copies what it knows, and hands it to the SDK's batches. The exporter's goroutine asks for the attributes
// (span_attributes.go), and span_exporter.go sends the batches. The access log and the ring of failures are made of the
// same.
//
// The access log is written here as well (record.go makes a line of a request, accesslog.go gets it to the file). Both
// planes write it.
//
// # Adding a metric
//
// Give it a line in instruments.go: name, unit, description. Put its Counter, UpDown or histogram into the struct of
// what it is about. For a value that someone else keeps, put a function there that is asked for it. Export it in
// walk.go in one line. Then TestEveryMetric fails until its text has the new metric, and the table of metrics in
// docs/observability.md wants a row. A new label must be an enum, or a name that the Registry bounds.
//
// # Promises
//
// Recording never blocks, and does not allocate once a series was seen. Counters count whether or not anything is
// exported, and as long as the process lives, across all revisions. Every label is bounded; names over a bound share
// [Overflow]. Gauges are asked for at each collection, on the exporter's goroutine: their functions must not block. A
// collector that is away, slow or refusing costs one line in the log. The next interval tries again, and deltas that
// did not arrive are part of the next. Nothing here outlives [Provider.Shutdown]. A request that is not sampled costs
// no memory, and one that is never waits for the collector. What does not fit the queue is lost, and counted.
//
// # Not here
//
// Which flag goes with which answer (proxy). When to flush, and how long to wait
// for it (sidecar). Which fields carry a trace, and when an attempt begins (proxy/forward). Spans of L4.
//
// # Decisions
//
// Own counters, not the SDK's instruments. Those hash a set of attributes at each measurement, which costs more than
// the rest of what we do for a request in user space. With a metric.Producer the SDK sees values at export only.
//
// Deltas begin at the last collection that arrived, not at the last that was
// tried, so that a collector's absence loses nothing. The price: one that takes a
// message and does not answer in time counts it twice.
//
// Spans are made when a request has ended, not while it runs. What they tell is in the record and in the attempts by
// then, and nothing has to be kept or locked before. Their ids are older, for the endpoint was told of them. The id of
// an attempt is that of the request plus its number, so nobody has to hold it either.
//
// The SDK batches spans, and its exporter sends them, but its tracer does not make them. That copied each attribute
// three times while the request waited. It took 12 us and 9 KB for a request, and takes 1.4 us and 1 KB this way. The
// interface has a private method, so a span embeds it. A test asks a span all that the interface has.
//
// OTEL_TRACES_EXPORTER is none where OpenTelemetry's own default is otlp: a proxy multiplies the spans of every app.
//
// A batch of spans that fails is not sent again: the queue is short, and newer spans are worth more.
//
// An attempt without a response has the access log's flag for its error.type (UT, UC,
// ...): one vocabulary for both.
//
// OTEL_* values that cannot be used are warnings, as OpenTelemetry asks. They are errors where exporting makes no sense
// without them (no usable endpoint, certificates that cannot be read). We check them ourselves: the SDK logs some on a
// logger of its own, headers with their secrets among them, and passes over others.
//
// The exporter does not retry within an interval: a process that ends must not
// wait for a collector that is not there.
package telemetry
