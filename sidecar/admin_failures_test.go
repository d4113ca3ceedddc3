package sidecar

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestAdminFailures(t *testing.T) {
	s := &Sidecar{registry: telemetry.NewRegistry()}
	for i, id := range []string{"one", "two", "two", "three"} {
		s.registry.Failures.Add(&telemetry.Record{
			Time: time.Unix(int64(i), 0), RequestID: []byte(id), Query: []byte("token=secret"), Status: 502 + i,
		}, nil)
	}
	f := startAdmin(t, View{Failures: s.failures}, AdminOptions{})
	for _, row := range []struct {
		query string
		want  []int // the status of each
	}{
		{"", []int{505, 504, 503, 502}},
		{"?n=1", []int{505}},
		{"?id=two", []int{504, 503}},
		{"?n=1&id=two", []int{504}},
		{"?id=none", nil},
	} {
		got := f.ask(t, "GET", "/failures"+row.query)
		var list FailureList
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || got.status != 200 || list.Failures == nil {
			t.Fatalf("%s: %d %v in %s", row.query, got.status, err, got.body)
		}
		same := len(list.Failures) == len(row.want)
		for i := range row.want {
			same = same && list.Failures[i].Status == row.want[i]
		}
		if !same {
			t.Errorf("%s: %+v, want %v", row.query, list.Failures, row.want)
		}
	}
	for query, want := range map[string]string{
		"?n=0":       "n: want a number from 1 to 200 (seen \"0\")\n",
		"?n=201":     "n: want a number from 1 to 200 (seen \"201\")\n",
		"?n=x":       "n: want a number from 1 to 200 (seen \"x\")\n",
		"?n=1&n=2":   "n: is there 2 times\n",
		"?id=":       "id: want a request id (seen none)\n",
		"?limit=1":   "parameter \"limit\": is none of id, n\n",
		"?id=a&n=%z": "query: invalid URL escape \"%z\"\n",
	} {
		if got := f.ask(t, "GET", "/failures"+query); got.status != 400 || got.body != want {
			t.Errorf("%s: %d %q, want 400 %q", query, got.status, got.body, want)
		}
	}
}
