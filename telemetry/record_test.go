package telemetry

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

func TestEachFieldIsWritten(t *testing.T) {
	for f := range logfield.Count {
		if appendValue[f] == nil {
			t.Errorf("nothing appends the value of %s", logfield.Names()[f])
		}
	}
}

// fullRecord knows everything.
func fullRecord() *Record {
	return &Record{
		Time: time.Date(2026, 11, 23, 7, 8, 9, 45_678_901, time.FixedZone("", 3600)), Method: []byte("GET"),
		Path: []byte("/a"), Query: []byte("q=1"),
		Host: []byte("a:80"), Protocol: "HTTP/1.1", Status: 200, Duration: 12_345_678, Upstream: time.Millisecond,
		Peer: "1.1.1.1", RemoteIP: []byte("2.2.2.2"),
		UserAgent: []byte("ua"), Referer: []byte("r"), Listener: "web", Route: "rt", Cluster: "c",
		Endpoint: "3.3.3.3:4", Attempts: 2, BytesRead: 5, BytesWritten: 6,
		Flag: UT, RequestID: []byte("id"), TraceID: []byte("t"), SpanID: []byte("s"), Revision: "rev",
		TLSVersion:     "1.3",
		ClientIdentity: "who", GRPC: true, Call: true, GRPCStatus: 14, Reason: errors.New(`no "way"`), Sampled: 0.25,
		Slow:   true,
		Scheme: SchemeHTTPS, QueuedAfter: time.Millisecond, Queued: time.Millisecond,
	}
}

// format makes the line of a record.
func format(names []string, r *Record) string {
	var stamp [19]byte
	copy(stamp[:], r.Time.UTC().Format("2006-01-02T15:04:05"))
	return string(NewLogFormat(names).append(nil, r, &stamp))
}

func TestLineOfAFullRecord(t *testing.T) {
	want := `{"time":"2026-11-23T06:08:09.045Z","method":"GET","path":"/a","query":"q=1","host":"a:80",` +
		`"protocol":"HTTP/1.1","status":200,` +
		`"duration_ms":12.345,"upstream_ms":1.000,"remote_ip":"2.2.2.2","user_agent":"ua","referer":"r",` +
		`"listener":"web","route":"rt","cluster":"c",` +
		`"upstream":"3.3.3.3:4","attempts":2,"bytes_read":5,"bytes_written":6,"flag":"UT","request_id":"id",` +
		`"trace_id":"t","revision":"rev",` +
		`"tls_version":"1.3","client_identity":"who","grpc_status":14,"reason":"no \"way\"","sampled":0.25,` +
		`"span_id":"s"}` + "\n"
	if got := format(logfield.Names(), fullRecord()); got != want {
		t.Errorf("line =\n%s, want\n%s", got, want)
	}
}

// What is unknown is there too: an empty text, 0 or null.
func TestLineOfAnEmptyRecord(t *testing.T) {
	want := `{"time":"0001-01-01T00:00:00.000Z","method":"","path":"","query":"","host":"","protocol":"","status":0,` +
		`"duration_ms":0.000,"upstream_ms":null,` +
		`"remote_ip":"","user_agent":"","referer":"","listener":"","route":"","cluster":"","upstream":"",` +
		`"attempts":0,"bytes_read":0,"bytes_written":0,` +
		`"flag":"","request_id":"","trace_id":"","revision":"","tls_version":"","client_identity":"",` +
		`"grpc_status":null,"reason":"","sampled":0,"span_id":""}` + "\n"
	if got := format(logfield.Names(), &Record{}); got != want {
		t.Errorf("line =\n%s, want\n%s", got, want)
	}
}

func TestLineHasTheFieldsThatWereChosen(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"status", `{"status":200}`},
		{"path,status,method", `{"path":"/a","status":200,"method":"GET"}`},
		{"nonsense,flag", `{"flag":"UT"}`},
	} {
		if got := format(strings.Split(tt.names, ","), fullRecord()); got != tt.want+"\n" {
			t.Errorf("line of %s = %s, want %s", tt.names, got, tt.want)
		}
	}
}

// Each text of a record comes from somebody else, and is one text again when the line is read.
func TestLineQuotesWhatIsHostile(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {`"\/`, `"\/`}, {"\x00\x01\t\n\r\x1f\x7f", "\x00\x01\t\n\r\x1f\x7f"},
		{`"},{"status":500,"x":"`, `"},{"status":500,"x":"`},
		{"é€😀", "é€😀"}, {"\u2028", "\u2028"}, {"\ufffd", "\ufffd"},
		{"\xff", "\ufffd"}, {"a\xffb\xfe", "a\ufffdb\ufffd"}, {"\xe2\x82", "\ufffd\ufffd"},
		{"\xc0\xaf", "\ufffd\ufffd"}, {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{strings.Repeat("x", maxText), strings.Repeat("x", maxText)},
		{strings.Repeat("x", maxText+1), strings.Repeat("x", maxText)},
		{strings.Repeat("x", maxText-1) + "é", strings.Repeat("x", maxText-1) + "\ufffd"},
	} {
		line := format([]string{"path"}, &Record{Path: []byte(tt.in)})
		var got struct{ Path string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Path != tt.want ||
			strings.ContainsAny(line[:len(line)-1], "\n\r\t\x00") {
			t.Errorf("line of %q = %q (%v), want %q in it", tt.in, line, err, tt.want)
		}
		if same := format([]string{"listener"}, &Record{Listener: tt.in}); same != strings.Replace(line, "path",
			"listener", 1) {
			t.Errorf("line of %q as a string = %q, as bytes %q", tt.in, same, line)
		}
	}
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000", 999: "0.000", time.Microsecond: "0.001", 999 * time.Microsecond: "0.999", time.Millisecond: "1.000",
		90*time.Second + 1_020_304: "90001.020",
	} {
		if got := string(appendMillis(nil, d)); got != want {
			t.Errorf("appendMillis(%v) = %s, want %s", d, got, want)
		}
	}
}

// A Record that gets a field gets it in the log, and in the test above.
func TestFullRecordIsFull(t *testing.T) {
	v := reflect.ValueOf(*fullRecord())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("fullRecord does not set %s", v.Type().Field(i).Name)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("/a"), "plain")
	f.Add([]byte("\"\\\x00\xff\xe2\x82"), "\u2028\ufffd")
	f.Fuzz(func(t *testing.T, path []byte, route string) {
		r := fullRecord()
		r.Path, r.Route = path, route
		line := format(logfield.Names(), r)
		if !json.Valid([]byte(line)) || !utf8.ValidString(line) || strings.Count(line, "\n") != 1 {
			t.Fatalf("line = %q", line)
		}
		var got struct{ Path, Route string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if len(route) <= maxText && utf8.ValidString(route) && got.Route != route {
			t.Fatalf("route = %q, want %q", got.Route, route)
		}
	})
}

func TestWritingALineDoesNotAllocate(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log"), new(Counter), nil)
	f, r := NewLogFormat(logfield.Names()), fullRecord()
	r.Path = []byte("/\"\xff é€😀\x01")
	second := r.Time
	write := func() {
		second = second.Add(time.Second) // the stamp is made anew
		r.Time = second
		l.Write(f, r, 1)
	}
	for range 100 {
		write()
	}
	l.Flush()
	l.Flush()
	for range 50 { // the other buffer
		write()
	}
	l.Flush()
	if n := testing.AllocsPerRun(50, write); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
