package testserver

import (
	"testing"
	"time"
)

// Span is one span, as the Collector got it. The ids are hexadecimal.
type Span struct {
	Trace, ID, Parent string // Parent is empty where the trace begins
	Name              string
	Kind              string // "server", "client" or another of OpenTelemetry's
	Start, End        time.Time
	Attributes        map[string]string
	Resource          map[string]string // service.name and its like
	Events            []string          // their names
	Links             []string          // the ids of the spans
	Failed            bool              // its status is an error
	Message           string            // of its status
}

// Spans returns all spans that the Collector has written so far, in the order in which they came.
func (s *CollectorServer) Spans(t testing.TB) []Span {
	t.Helper()
	var spans []Span
	for _, export := range exports[otlpSpans](t, s.spans) {
		spans = append(spans, export.spans()...)
	}
	return spans
}

// The types below are OTLP's JSON form (one ExportTraceServiceRequest a line), as far as it is read here.
type (
	otlpSpans struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes otlpAttributes
			}
			ScopeSpans []struct {
				Spans []otlpSpan
			}
		}
	}
	otlpSpan struct {
		TraceID           string
		SpanID            string
		ParentSpanID      string
		Name              string
		Kind              int
		StartTimeUnixNano int64 `json:",string"`
		EndTimeUnixNano   int64 `json:",string"`
		Attributes        otlpAttributes
		Events            []struct{ Name string }
		Links             []struct{ SpanID string }
		Status            struct {
			Code    int // 2: an error
			Message string
		}
	}
)

func (e otlpSpans) spans() []Span {
	kinds := [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	var all []Span
	for _, r := range e.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			for _, o := range scope.Spans {
				s := Span{
					Trace: o.TraceID, ID: o.SpanID, Parent: o.ParentSpanID, Name: o.Name, Kind: kinds[o.Kind],
					Start: time.Unix(0, o.StartTimeUnixNano), End: time.Unix(0, o.EndTimeUnixNano),
					Attributes: o.Attributes.strings(), Resource: r.Resource.Attributes.strings(),
					Failed: o.Status.Code == 2, Message: o.Status.Message,
				}
				for _, event := range o.Events {
					s.Events = append(s.Events, event.Name)
				}
				for _, link := range o.Links {
					s.Links = append(s.Links, link.SpanID)
				}
				all = append(all, s)
			}
		}
	}
	return all
}
