// Package telemetry holds the instruments of the process, exports them over
// OTLP, and sets up the logger.
//
// # Life of a measurement
//
// When a table is built, its routes, clusters and listeners ask the Registry
// (registry.go) for their instruments by name and keep the pointers. A request
// then counts with a few atomic additions: Route.Record (route.go) finds the
// histogram by small integers (enums.go, status.go) and adds to one of its
// buckets (histogram.go). At each export interval the SDK's reader asks the
// producer (producer.go) for all metrics. It walks the registry and gives each
// value the name, unit and description it has in instruments.go. The exporter
// (provider.go) sends them.
//
// # Promises
//
// Recording never locks and, once a series was seen, never allocates. Counters
// run whether or not anything is exported, and live as long as the process, so
// they are cumulative across revisions. Every label is bounded; what comes over
// a bound shares the name Overflow. A collector that is away costs one line in
// the log and nothing else.
//
// # Not here
//
// The access log (proxy, l4), which answer goes with a flag (proxy), when to
// flush (sidecar).
//
// # Decisions
//
// Own counters rather than the SDK's instruments: those build and hash an
// attribute set at each measurement.
package telemetry
