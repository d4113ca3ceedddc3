package telemetry

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// failed is a record with the flag whose request ended in that second.
func failed(second int64, flag Flag, id string) *Record {
	return &Record{Time: time.Unix(second, 0), RequestID: []byte(id), Flag: flag}
}

func TestFailureKeepsWhatIsKnown(t *testing.T) {
	var f Failures
	r := fullRecord()
	f.Add(r, []Attempt{
		{Endpoint: "1.1.1.1:1", After: time.Millisecond, Took: 2 * time.Millisecond, Flag: UF,
			Cause: errors.New("refused")},
		{Endpoint: "2.2.2.2:2", After: 3 * time.Millisecond, Took: 4567 * time.Microsecond, Status: 503},
	})
	status := 14
	want := []Failure{{
		Time: r.Time.UTC(), RequestID: "id", TraceID: "t", Protocol: "HTTP/1.1", Method: "GET", Host: "a:80",
		Path: "/a", Status: 200, GRPCStatus: &status, Flag: "UT", Reason: `no "way"`, Slow: true, DurationMS: 12.345,
		RemoteIP: "2.2.2.2", Listener: "web", Route: "rt", Cluster: "c", Revision: "rev", flag: UT,
		Attempts: []FailedAttempt{
			{Upstream: "1.1.1.1:1", AfterMS: 1, DurationMS: 2, Flag: "UF", Reason: "refused"},
			{Upstream: "2.2.2.2:2", AfterMS: 3, DurationMS: 4.567, Status: 503},
		},
	}}
	copy(r.Path, "/b") // what was added is nobody else's
	if got, leftOut := f.Last(5); !reflect.DeepEqual(got, want) || leftOut != 0 {
		t.Errorf("kept %+v and left out %d\nwant %+v and 0", got, leftOut, want)
	}
}

func TestFailureTextsAreBounded(t *testing.T) {
	var f Failures
	long := []byte(strings.Repeat("é", 1000) + "\xff")
	r := &Record{Method: long, Path: long, Host: long, RequestID: long, Reason: errors.New(string(long))}
	attempts := make([]Attempt, 20)
	for i := range attempts {
		attempts[i] = Attempt{Endpoint: fmt.Sprint(i), Cause: r.Reason}
	}
	f.Add(r, attempts)
	all, _ := f.Last(1)
	for _, text := range []string{
		all[0].Method, all[0].Path, all[0].Host, all[0].RequestID, all[0].Reason, all[0].Attempts[0].Reason,
	} {
		if want := strings.Repeat("é", 128) + "..."; text != want {
			t.Errorf("text of %d bytes: %q", len(text), text)
		}
	}
	if a := all[0].Attempts; len(a) != 8 || a[0].Upstream != "12" || a[7].Upstream != "19" {
		t.Errorf("attempts %+v, want the last 8", a)
	}
}

// Of one flag ten are kept in a second; others are not kept out by it.
func TestFailuresThatComeTooFast(t *testing.T) {
	var f Failures
	for i := range 25 {
		f.Add(failed(1, UH, fmt.Sprint("h", i)), nil)
	}
	f.Add(failed(1, UT, "t"), nil)
	f.Add(failed(2, UH, "next"), nil)
	all, leftOut := f.Last(100)
	if len(all) != 12 || leftOut != 15 || all[0].RequestID != "next" || all[1].RequestID != "t" ||
		all[2].RequestID != "h9" {
		t.Errorf("kept %d, the newest %+v; left out %d", len(all), all[:min(3, len(all))], leftOut)
	}
}

// A flood of one kind pushes out its own, and nothing else.
func TestRareFailuresStay(t *testing.T) {
	var f Failures
	f.Add(failed(0, UT, "rare"), nil)
	for i := range int64(1000) {
		f.Add(failed(1+i, UH, fmt.Sprint(i)), nil)
	}
	all, _ := f.Last(1000)
	if len(all) != 200 || all[0].RequestID != "999" || all[198].RequestID != "801" || all[199].RequestID != "rare" {
		t.Errorf("kept %d: from %s to %s", len(all), all[0].RequestID, all[len(all)-1].RequestID)
	}
	if one, _ := f.ByID("rare"); len(one) != 1 || one[0].Flag != "UT" {
		t.Errorf("by its id: %+v", one)
	}
	if none, _ := f.ByID("17"); len(none) != 0 {
		t.Errorf("by an id that is gone: %+v", none)
	}
}

func BenchmarkFailuresLeftOut(b *testing.B) {
	var f Failures
	r := failed(1, UH, "x")
	b.ReportAllocs()
	for b.Loop() {
		f.Add(r, nil)
	}
}
