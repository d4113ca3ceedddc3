package telemetry

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxPoints bounds one message: collectors refuse those over 4 MiB (the default
// of gRPC), and a point with the longest labels takes about a kilobyte.
const maxPoints = 2000

// collection gathers the metrics of one export in scopes of at most maxPoints
// points, each of which is sent as a message of its own.
type collection struct {
	scope       instrumentation.Scope
	temporality metric.TemporalitySelector
	now         time.Time
	start       time.Time // of cumulative points: when the process began to count
	since       state     // where delta points begin
	seen        state     // what this collection read of the instruments with deltas

	scopes []metricdata.ScopeMetrics
	room   int // points that the last of scopes can still take
}

// state is what instruments held at some moment; the next deltas begin there.
type state struct {
	at         time.Time
	counters   map[*Counter]int64
	histograms map[*histogram]distribution
}

func newState(at time.Time) state {
	return state{at: at, counters: map[*Counter]int64{}, histograms: map[*histogram]distribution{}}
}

// counters adds a monotonic sum; each calls add for every series.
func (c *collection) counters(in instrument, each func(add func(*Counter, ...attribute.KeyValue))) {
	var points []metricdata.DataPoint[int64]
	temporality, start := c.span(in)
	each(func(n *Counter, attrs ...attribute.KeyValue) {
		value := n.Load()
		if temporality == metricdata.DeltaTemporality {
			c.seen.counters[n] = value
			if value -= c.since.counters[n]; value == 0 {
				return
			}
		}
		points = append(points, metricdata.DataPoint[int64]{
			Attributes: attribute.NewSet(attrs...), StartTime: start, Time: c.now, Value: value,
		})
	})
	emit(c, in, points, func(points []metricdata.DataPoint[int64]) metricdata.Aggregation {
		return metricdata.Sum[int64]{DataPoints: points, Temporality: temporality, IsMonotonic: true}
	})
}

// levels adds a sum that goes up and down. It is cumulative under every
// preference: the difference of a level is of no use to anyone.
func (c *collection) levels(in instrument, each func(add func(int64, ...attribute.KeyValue))) {
	var points []metricdata.DataPoint[int64]
	each(func(value int64, attrs ...attribute.KeyValue) {
		points = append(points, metricdata.DataPoint[int64]{
			Attributes: attribute.NewSet(attrs...), StartTime: c.start, Time: c.now, Value: value,
		})
	})
	emit(c, in, points, func(points []metricdata.DataPoint[int64]) metricdata.Aggregation {
		return metricdata.Sum[int64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality}
	})
}

// gauges adds values that are not sums.
func gauges[N int64 | float64](c *collection, in instrument, each func(add func(N, ...attribute.KeyValue))) {
	var points []metricdata.DataPoint[N]
	each(func(value N, attrs ...attribute.KeyValue) {
		points = append(points, metricdata.DataPoint[N]{
			Attributes: attribute.NewSet(attrs...), Time: c.now, Value: value,
		})
	})
	emit(c, in, points, func(points []metricdata.DataPoint[N]) metricdata.Aggregation {
		return metricdata.Gauge[N]{DataPoints: points}
	})
}

// histograms adds distributions. Empty ones are left out: they say nothing that
// their absence does not.
func (c *collection) histograms(in instrument, each func(add func(*histogram, ...attribute.KeyValue))) {
	var points []metricdata.HistogramDataPoint[float64]
	temporality, start := c.span(in)
	each(func(h *histogram, attrs ...attribute.KeyValue) {
		d := h.load()
		if temporality == metricdata.DeltaTemporality {
			c.seen.histograms[h] = d
			d = d.since(c.since.histograms[h])
		}
		count := d.count()
		if count == 0 {
			return
		}
		points = append(points, metricdata.HistogramDataPoint[float64]{
			Attributes: attribute.NewSet(attrs...), StartTime: start, Time: c.now,
			Count: count, Sum: d.sum.Seconds(), Bounds: h.bounds.seconds[:], BucketCounts: d.export(h.bounds),
		})
	})
	emit(c, in, points, func(points []metricdata.HistogramDataPoint[float64]) metricdata.Aggregation {
		return metricdata.Histogram[float64]{DataPoints: points, Temporality: temporality}
	})
}

// span is the temporality that the exporter wants of an instrument, and when its
// points begin.
func (c *collection) span(in instrument) (metricdata.Temporality, time.Time) {
	if c.temporality(in.kind) == metricdata.DeltaTemporality {
		return metricdata.DeltaTemporality, c.since.at
	}
	return metricdata.CumulativeTemporality, c.start
}

// emit puts points under their instrument, in as many scopes as they need.
func emit[P any](c *collection, in instrument, points []P, data func([]P) metricdata.Aggregation) {
	for len(points) > 0 {
		if c.room == 0 {
			c.scopes = append(c.scopes, metricdata.ScopeMetrics{Scope: c.scope})
			c.room = maxPoints
		}
		n := min(c.room, len(points))
		last := &c.scopes[len(c.scopes)-1]
		last.Metrics = append(last.Metrics, metricdata.Metrics{
			Name: in.name, Unit: in.unit, Description: in.description, Data: data(points[:n:n]),
		})
		points, c.room = points[n:], c.room-n
	}
}
