package testserver

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"
)

// Metric is one instrument in one export, as the Collector got it.
type Metric struct {
	Name, Unit, Description string

	Kind      string            // "sum", "gauge" or "histogram"
	Monotonic bool              // of a sum: only grows
	Delta     bool              // temporality; false = cumulative, and for gauges
	Resource  map[string]string // service.name and its like
	Scope     string            // name of the instrumentation scope
	Points    []Point
}

// Point is one series of a Metric.
type Point struct {
	Attributes  map[string]string
	Start, Time time.Time
	Value       float64 // of a sum or gauge

	Count   uint64 // of a histogram, like all below
	Sum     float64
	Bounds  []float64
	Buckets []uint64 // one more than Bounds
}

// Metrics returns all that the Collector has written so far, oldest first. Every
// export repeats all instruments: the last one of a name is its present state.
func (s *CollectorServer) Metrics(t testing.TB) []Metric {
	t.Helper()
	var metrics []Metric
	for _, export := range exports[otlpExport](t, s.file) {
		metrics = append(metrics, export.metrics()...)
	}
	return metrics
}

// Point returns the newest point of the named metric whose attributes include all
// of those given, and whether there is one.
func (s *CollectorServer) Point(t testing.TB, name string, attributes map[string]string) (Point, bool) {
	t.Helper()
	metrics := s.Metrics(t)
	for _, m := range slices.Backward(metrics) {
		if m.Name != name {
			continue
		}
		for _, p := range m.Points {
			if includes(p.Attributes, attributes) {
				return p, true
			}
		}
	}
	return Point{}, false
}

func includes(all, some map[string]string) bool {
	for k, v := range some {
		if have, ok := all[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// The types below are OTLP's JSON form (one ExportMetricsServiceRequest a line),
// as far as it is read here. 64-bit integers are strings in it.
type (
	otlpExport struct {
		ResourceMetrics []struct {
			Resource struct {
				Attributes otlpAttributes
			}
			ScopeMetrics []struct {
				Scope   struct{ Name string }
				Metrics []otlpMetric
			}
		}
	}
	otlpMetric struct {
		Name, Unit, Description string
		Sum, Gauge, Histogram   *otlpPoints
	}
	otlpPoints struct {
		DataPoints             []otlpPoint
		AggregationTemporality int // 1 delta, 2 cumulative
		IsMonotonic            bool
	}
	otlpPoint struct {
		Attributes        otlpAttributes
		StartTimeUnixNano int64 `json:",string"`
		TimeUnixNano      int64 `json:",string"`
		AsDouble          float64
		AsInt             int64  `json:",string"`
		Count             uint64 `json:",string"`
		Sum               float64
		ExplicitBounds    []float64
		BucketCounts      []otlpCount
	}
	otlpAttributes []struct {
		Key   string
		Value map[string]any // its one key is its type: {"stringValue": "x"}
	}
	otlpCount uint64
)

// UnmarshalJSON reads the quoted form.
func (c *otlpCount) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseUint(string(bytes.Trim(text, `"`)), 10, 64)
	*c = otlpCount(n)
	return err
}

func (e otlpExport) metrics() []Metric {
	var all []Metric
	for _, r := range e.ResourceMetrics {
		resource := r.Resource.Attributes.strings()
		for _, scope := range r.ScopeMetrics {
			for _, o := range scope.Metrics {
				m := o.metric()
				m.Resource, m.Scope = maps.Clone(resource), scope.Scope.Name
				all = append(all, m)
			}
		}
	}
	return all
}

func (o otlpMetric) metric() Metric {
	m := Metric{Name: o.Name, Unit: o.Unit, Description: o.Description}
	var points *otlpPoints
	switch {
	case o.Sum != nil:
		m.Kind, points = "sum", o.Sum
	case o.Gauge != nil:
		m.Kind, points = "gauge", o.Gauge
	case o.Histogram != nil:
		m.Kind, points = "histogram", o.Histogram
	default:
		m.Kind = "unknown"
		return m
	}
	m.Monotonic, m.Delta = points.IsMonotonic, points.AggregationTemporality == 1
	for _, p := range points.DataPoints {
		m.Points = append(m.Points, p.point())
	}
	return m
}

func (o otlpPoint) point() Point {
	p := Point{
		Attributes: o.Attributes.strings(),
		Start:      time.Unix(0, o.StartTimeUnixNano),
		Time:       time.Unix(0, o.TimeUnixNano),
		Value:      o.AsDouble + float64(o.AsInt), // one of them is absent
		Count:      o.Count,
		Sum:        o.Sum,
		Bounds:     o.ExplicitBounds,
	}
	for _, n := range o.BucketCounts {
		p.Buckets = append(p.Buckets, uint64(n))
	}
	return p
}

func (a otlpAttributes) strings() map[string]string {
	m := make(map[string]string, len(a))
	for _, kv := range a {
		for _, v := range kv.Value {
			m[kv.Key] = text(v)
		}
	}
	return m
}

// text is a value as a test writes it: strings and 64-bit integers (which JSON
// quotes) as they are, booleans and the rest as JSON.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
