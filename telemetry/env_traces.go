package telemetry

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
)

// tracesSettings is what the OTEL_* variables say about traces.
type tracesSettings struct {
	destination
	formats  Formats
	parent   bool          // what the caller has decided about sampling holds
	sampler  trace.Sampler // decides where nobody has
	queue    int           // spans that may wait for the collector
	batch    int           // spans of one export, at most queue
	delay    time.Duration // between two exports
	patience time.Duration // for one
}

// The variables of traces that have no prefix in common.
const (
	envTracesExporter = "OTEL_TRACES_EXPORTER"
	envSampler        = "OTEL_TRACES_SAMPLER"
	envSamplerArg     = "OTEL_TRACES_SAMPLER_ARG"
	envPropagators    = "OTEL_PROPAGATORS"
	envQueueSize      = "OTEL_BSP_MAX_QUEUE_SIZE"
)

// The bounds of the queue of spans.
const (
	defaultQueue = 2048
	longestQueue = 1 << 16
)

var errNoTracesEndpoint = errors.New("env " + envTracesExporter + ": otlp, but nothing says where to; set " +
	envEndpoint + ", such as http://127.0.0.1:4317")

// traces reads all about traces, if the variables ask for them.
func (e *environment) traces() (s tracesSettings, err error) {
	if e.word(envTracesExporter, "none", "otlp", "none") == "none" {
		return s, nil
	}
	if _, endpoint := e.signal("ENDPOINT"); endpoint == "" {
		return s, errNoTracesEndpoint
	}
	s.destination, err = e.destination(func() {
		s.delay = e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5000)
		s.patience = e.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30000)
	})
	s.formats = e.propagators()
	s.sampler, s.parent = e.sampler()
	s.queue = e.number(envQueueSize, defaultQueue, longestQueue)
	s.batch = min(e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, longestQueue), s.queue)
	return s, err
}

// number reads a variable that is a number from 1 to most.
func (e *environment) number(name string, fallback, most int) int {
	v := e.value(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		e.warn(name, "%q: not a number from 1 to %d; %d is used", v, most, fallback)
		return fallback
	}
	return n
}

// propagators reads the list of formats in which requests carry their trace. Baggage is passed on whether it is in the
// list or not.
func (e *environment) propagators() (f Formats) {
	v := e.value(envPropagators)
	if v == "" {
		return W3C
	}
	for w := range strings.SplitSeq(v, ",") {
		switch w = strings.ToLower(strings.TrimSpace(w)); w {
		case "tracecontext":
			f |= W3C
		case "b3":
			f |= B3
		case "b3multi":
			f |= B3Multi
		case "baggage":
		case "none":
			return 0
		default:
			e.warn(envPropagators, "%q: not one of tracecontext, baggage, b3, b3multi, none; it is left out", w)
		}
	}
	return f
}

// sampler reads which traces are recorded that begin here, and whether the caller's word on the others holds.
func (e *environment) sampler() (s trace.Sampler, parent bool) {
	kind, parent := strings.CutPrefix(e.word(envSampler, "parentbased_always_on", "always_on", "always_off",
		"traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"), "parentbased_")
	switch kind {
	case "always_off":
		return trace.NeverSample(), parent
	case "traceidratio":
		return trace.TraceIDRatioBased(e.ratio()), parent
	}
	return trace.AlwaysSample(), parent
}

func (e *environment) ratio() float64 {
	v := e.value(envSamplerArg)
	if v == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(v, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		e.warn(envSamplerArg, "%q: not a number from 0 to 1; 1 is used", v)
		return 1
	}
	return ratio
}
