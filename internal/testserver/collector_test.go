package testserver

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const exported = `{"resourceMetrics":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"app"}}]},
  "scopeMetrics":[{"scope":{"name":"gateway"},"metrics":[
    {"name":"requests","unit":"{request}","description":"All.","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
      {"attributes":[{"key":"code","value":{"intValue":"200"}},{"key":"ok","value":{"boolValue":true}}],"startTimeUnixNano":"1000","timeUnixNano":"2000","asInt":"7"}]}},
    {"name":"age","unit":"s","gauge":{"dataPoints":[{"timeUnixNano":"2000","asDouble":1.5}]}},
    {"name":"took","unit":"s","histogram":{"aggregationTemporality":1,"dataPoints":[
      {"startTimeUnixNano":"1000","timeUnixNano":"2000","count":"3","sum":0.6,"explicitBounds":[0.1,0.5],"bucketCounts":["1","1","1"]}]}}
  ]}]}]}`

func TestCollectorWritesWhatItGets(t *testing.T) {
	t.Parallel()
	s := Collector(t)
	send(t, s)
	WaitFor(t, 20*time.Second, "the metrics to be written", func() bool { return len(s.Metrics(t)) > 0 })

	resource := map[string]string{"service.name": "app"}
	start, end := time.Unix(0, 1000), time.Unix(0, 2000)
	want := []Metric{
		{
			Name: "requests", Unit: "{request}", Description: "All.", Kind: "sum", Monotonic: true, Resource: resource,
			Scope: "gateway",
			Points: []Point{{Attributes: map[string]string{"code": "200", "ok": "true"}, Start: start, Time: end,
				Value: 7}},
		},
		{
			Name: "age", Unit: "s", Kind: "gauge", Resource: resource, Scope: "gateway",
			Points: []Point{{Attributes: map[string]string{}, Start: time.Unix(0, 0), Time: end, Value: 1.5}},
		},
		{
			Name: "took", Unit: "s", Kind: "histogram", Delta: true, Resource: resource, Scope: "gateway",
			Points: []Point{{
				Attributes: map[string]string{}, Start: start, Time: end,
				Count: 3, Sum: 0.6, Bounds: []float64{0.1, 0.5}, Buckets: []uint64{1, 1, 1},
			}},
		},
	}
	if got := s.Metrics(t); !reflect.DeepEqual(got, want) {
		t.Errorf("Metrics =\n%+v, want\n%+v", got, want)
	}
	if p, ok := s.Point(t, "requests", map[string]string{"code": "200"}); !ok || p.Value != 7 {
		t.Errorf("Point(requests, code 200) = %v, %v, want value 7", p, ok)
	}
	if p, ok := s.Point(t, "requests", map[string]string{"code": "404"}); ok {
		t.Errorf("Point(requests, code 404) = %v, want none", p)
	}
}

func TestCollectorGoesOnAfterStopAndStart(t *testing.T) {
	t.Parallel()
	s := Collector(t)
	endpoint := s.Endpoint()
	for _, written := range []int{3, 6} {
		send(t, s)
		WaitFor(t, 20*time.Second, "the metrics to be written", func() bool { return len(s.Metrics(t)) == written })
		s.Stop()
		s.Start()
	}
	if s.Endpoint() != endpoint {
		t.Errorf("endpoint after Start = %v, want %v", s.Endpoint(), endpoint)
	}
}

func TestMetricsLeavesTheLineThatIsBeingWritten(t *testing.T) {
	line := strings.ReplaceAll(exported, "\n", "")
	s := &CollectorServer{file: filepath.Join(t.TempDir(), "metrics.jsonl")}
	for _, row := range []struct {
		text string
		want int
	}{
		{"", 0},
		{line[:40], 0},
		{line + "\n", 3},
		{line + "\n" + line[:40], 3},
	} {
		if err := os.WriteFile(s.file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(s.Metrics(t)); got != row.want {
			t.Errorf("%d metrics in %q, want %d", got, row.text, row.want)
		}
	}
}

// send exports one batch over OTLP's HTTP form, which needs no client library.
func send(t *testing.T, s *CollectorServer) {
	t.Helper()
	resp, err := http.Post("http://"+s.web+"/v1/metrics", "application/json", strings.NewReader(exported))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("export: %v", resp.Status)
	}
}
