package testgateway

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// AccessLog is an access log in a file of the test's.
type AccessLog struct {
	*telemetry.AccessLog
	Dropped telemetry.Counter // lines

	t    testing.TB
	path string
}

// NewAccessLog makes an empty one.
func NewAccessLog(t testing.TB) *AccessLog {
	t.Helper()
	l := &AccessLog{t: t, path: filepath.Join(t.TempDir(), "access.log")}
	var err error
	l.AccessLog, err = telemetry.OpenAccessLog(l.path, &l.Dropped, func(err error) { t.Errorf("access log: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Raw waits for at least n lines, and returns all that there are: a line is written when its request is over already.
func (l *AccessLog) Raw(n int) (lines [][]byte) {
	l.t.Helper()
	testserver.WaitFor(l.t, Patience, "the access log", func() bool {
		l.Flush()
		b, err := os.ReadFile(l.path)
		if err != nil {
			l.t.Fatal(err)
		}
		lines = bytes.SplitAfter(b, []byte("\n"))
		lines = lines[:len(lines)-1]
		return len(lines) >= n
	})
	return lines
}

// Count is how many lines are in the file.
func (l *AccessLog) Count() int {
	l.t.Helper()
	b, err := os.ReadFile(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// Lines is Raw, parsed as each test wants to see a line.
func Lines[T any](l *AccessLog, n int) (lines []T) {
	l.t.Helper()
	for _, raw := range l.Raw(n) {
		var line T
		if err := json.Unmarshal(raw, &line); err != nil {
			l.t.Fatalf("%v: %s", err, raw)
		}
		lines = append(lines, line)
	}
	return lines
}
