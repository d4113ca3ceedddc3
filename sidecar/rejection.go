package sidecar

import "github.com/fabian4/gateway-homebrew-go/telemetry"

// The classes of rejections, for people and for the metric.
const (
	classSource      = "source"      // what is there is no document
	classInvalid     = "invalid"     // it has problems
	classPrepare     = "prepare"     // it cannot be put into service here, or not yet
	classQuarantined = "quarantined" // it has ended the process before, or did harm
	classReplay      = "replay"      // it would lose too many of the recent requests
)

// countRejections makes the counter of each class, so that the first rejection of one is an increase for Prometheus.
func countRejections(r *telemetry.Registry) {
	for _, class := range []string{classSource, classInvalid, classPrepare, classQuarantined, classReplay} {
		r.RevisionRejected(class)
	}
}
