package telemetry

import (
	"errors"
	"testing"
	"time"
)

func TestShortLine(t *testing.T) {
	at := time.Date(2026, 11, 29, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		name   string
		colour bool
		r      Record
		want   string
	}{
		{"a good one", false, Record{Method: []byte("GET"), Path: []byte("/hello"), Status: 200, Route: "hello",
			Duration: 1234 * time.Microsecond, Endpoint: "10.0.0.1:80"},
			"03:04:05 GET    /hello                      200     1.2 ms  hello       → 10.0.0.1:80\n"},
		{"no route", false, Record{Method: []byte("DELETE"), Path: []byte("/x"), Status: 404, Flag: NR},
			"03:04:05 DELETE /x                          404     0.0 ms  -             NR\n"},
		{"in colour, with the reason", true, Record{Method: []byte("GET"), Path: []byte("/"), Status: 502, Route: "/",
			Duration: 2 * time.Second, Endpoint: "a:1", Flag: UF, Reason: errors.New("connect: refused")},
			"03:04:05 GET    /                           \x1b[31m502\x1b[0m  2000.0 ms  /           → a:1  UF " +
				"connect: refused\n"},
		{"redirected", true, Record{Method: []byte("GET"), Path: []byte("/"), Status: 308, Route: "/"},
			"03:04:05 GET    /                           \x1b[36m308\x1b[0m     0.0 ms  /           \n"},
		{"a connection of L4", true, Record{Listener: "mysql", Duration: time.Hour, Endpoint: "10.0.0.1:3306"},
			"03:04:05 TCP    mysql                       -   3600000.0 ms  -           → 10.0.0.1:3306\n"},
		{"what a terminal would obey", false, Record{Method: []byte("G\x1b[2JT"), Path: []byte("/\x07\xffö"),
			Status: 400},
			"03:04:05 G?[2JT /??ö                        400     0.0 ms  -           \n"},
	} {
		row.r.Time = at
		got := string((&shortLine{row.colour}).append([]byte("before\n"), &row.r))
		if got != "before\n"+row.want {
			t.Errorf("%s:\n%q, want\n%q", row.name, got, row.want)
		}
	}
}

// A long path moves the rest of its line, and ends.
func TestShortLineOfALongPath(t *testing.T) {
	path := make([]byte, 10_000)
	for i := range path {
		path[i] = 'a'
	}
	got := (&shortLine{}).append(nil, &Record{Path: path, Method: []byte("GET"), Status: 200})
	if len(got) > 200 {
		t.Errorf("a line of %d bytes", len(got))
	}
}
