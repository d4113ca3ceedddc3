package proxy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// accessLog is a log in a file of the test's own.
type accessLog struct {
	*telemetry.AccessLog
	t       testing.TB
	path    string
	dropped telemetry.Counter
}

func newLog(t testing.TB) *accessLog {
	t.Helper()
	l := &accessLog{t: t, path: filepath.Join(t.TempDir(), "access.log")}
	var err error
	if l.AccessLog, err = telemetry.OpenAccessLog(l.path, &l.dropped, func(err error) { t.Errorf("access log: %v", err) }); err != nil {
		t.Fatal(err)
	}
	return l
}

// use is an option of start.
func (l *accessLog) use(o *proxy.Options) { o.Log = l.AccessLog }

// raw waits for n lines: a request's is written when its answer is out already.
func (l *accessLog) raw(n int) [][]byte {
	l.t.Helper()
	var lines [][]byte
	testserver.WaitFor(l.t, patience, "the access log", func() bool {
		l.Flush()
		b, err := os.ReadFile(l.path)
		if err != nil {
			l.t.Fatal(err)
		}
		lines = bytes.SplitAfter(b, []byte("\n"))
		lines = lines[:len(lines)-1]
		return len(lines) >= n
	})
	if len(lines) != n {
		l.t.Fatalf("%d lines were logged, want %d:\n%s", len(lines), n, bytes.Join(lines, nil))
	}
	return lines
}

// count is how many lines are in the file.
func (l *accessLog) count() int {
	l.t.Helper()
	b, err := os.ReadFile(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// lines waits for n lines and parses them.
func (l *accessLog) lines(n int) (lines []map[string]any) {
	l.t.Helper()
	for _, raw := range l.raw(n) {
		var line map[string]any
		if err := json.Unmarshal(raw, &line); err != nil {
			l.t.Fatalf("%v: %s", err, raw)
		}
		lines = append(lines, line)
	}
	return lines
}
