package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// scripted answers one message after the other with the next error.
type scripted struct {
	metric.Exporter
	answers []error
	got     int
}

func (s *scripted) Export(context.Context, *metricdata.ResourceMetrics) error {
	s.got++
	return s.answers[s.got-1]
}

func TestExportMessageByMessage(t *testing.T) {
	away := fmt.Errorf("layer: %w", status.Error(codes.Unavailable, "connection refused"))
	partial := errors.New("OTLP partial success: 3 data points rejected")
	for _, tt := range []struct {
		name      string
		answers   []error // to the messages of one collection of three
		sent      int
		committed bool
		log       string
	}{
		{"all arrive", []error{nil, nil, nil}, 3, true, ""},
		{"none arrives", []error{away}, 1, false, "Unavailable: connection refused"},
		{"the second is lost", []error{nil, away}, 2, true, "Unavailable: connection refused"},
		{"one is refused in part", []error{nil, partial, nil}, 3, true, "3 data points rejected"},
		{"only one, and in part", []error{partial, partial, partial}, 3, true, "3 data points rejected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log lines
			p := newProducer(NewRegistry(), "", deltas)
			if _, err := p.Produce(t.Context()); err != nil {
				t.Fatal(err)
			}
			otlp := &scripted{answers: tt.answers}
			e := &exporter{Exporter: otlp, producer: p, log: log.logger(), endpoint: "http://c:4317"}
			err := e.Export(t.Context(), &metricdata.ResourceMetrics{ScopeMetrics: make([]metricdata.ScopeMetrics, 3)})
			if (err != nil) != (tt.log != "") {
				t.Errorf("Export: %v", err)
			}
			if otlp.got != tt.sent {
				t.Errorf("%d messages were sent, want %d", otlp.got, tt.sent)
			}
			p.mu.Lock()
			committed := p.sent.at.Equal(p.taken.at)
			p.mu.Unlock()
			if committed != tt.committed {
				t.Errorf("committed = %v, want %v", committed, tt.committed)
			}
			want := 0
			if tt.log != "" {
				want = 1
			}
			if got := log.with(tt.log); len(got) != want || len(log.with("")) != want {
				t.Errorf("log = %q, want %d lines with %q", log.with(""), want, tt.log)
			}
		})
	}
}

// A reader that is being stopped cancels the export under way; that is no fault
// of the collector's.
func TestACancelledExportIsNotReported(t *testing.T) {
	var log lines
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := &exporter{
		Exporter: &scripted{answers: []error{status.FromContextError(context.Canceled).Err()}},
		producer: newProducer(NewRegistry(), "", cumulative), log: log.logger(),
	}
	if e.Export(ctx, &metricdata.ResourceMetrics{ScopeMetrics: make([]metricdata.ScopeMetrics, 1)}) == nil {
		t.Error("Export: nil, want the error")
	}
	if got := log.with(""); len(got) != 0 || e.failing {
		t.Errorf("log = %q, want nothing", got)
	}
}

func TestReasonIsBounded(t *testing.T) {
	got := reason(status.Error(codes.Internal, strings.Repeat("é", 5000)))
	if len(got) > maxReasonBytes+3 || !strings.HasPrefix(got, "Internal: é") {
		t.Errorf("reason = %d bytes %q", len(got), got)
	}
}
