package proxy_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// accessLog is a log in a file of the test's own.
type accessLog struct {
	*testgateway.AccessLog
	t testing.TB
}

func newLog(t testing.TB) *accessLog {
	t.Helper()
	return &accessLog{testgateway.NewAccessLog(t), t}
}

// use is an option of start.
func (l *accessLog) use(o *proxy.Options) { o.Log = l.AccessLog.AccessLog }

// raw waits for n lines: a request's is written when its response is out already.
func (l *accessLog) raw(n int) [][]byte {
	l.t.Helper()
	lines := l.Raw(n)
	if len(lines) != n {
		l.t.Fatalf("%d lines were logged, want %d:\n%s", len(lines), n, bytes.Join(lines, nil))
	}
	return lines
}

// count is how many lines are in the file.
func (l *accessLog) count() int { return l.Count() }

// lines waits for n lines and parses them.
func (l *accessLog) lines(n int) []map[string]any {
	l.t.Helper()
	l.raw(n)
	return testgateway.Lines[map[string]any](l.AccessLog, n)
}

// lineOf waits for n lines and returns the one whose field has that value. A line may come after that of a later
// request: it is written when the response is out.
func (l *accessLog) lineOf(n int, field string, value any) map[string]any {
	l.t.Helper()
	lines := l.lines(n)
	i := slices.IndexFunc(lines, func(line map[string]any) bool { return line[field] == value })
	if i < 0 {
		l.t.Fatalf("no line with %s %v: %v", field, value, lines)
	}
	return lines[i]
}
