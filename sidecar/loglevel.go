package sidecar

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// longestLogLevel bounds how long another level may hold before the usual one comes back by itself.
const longestLogLevel = 24 * time.Hour

// logLevel changes the level of the gateway's own log while it runs, for a while or until it ends. It is safe from any
// goroutine.
type logLevel struct {
	logger hclog.Logger // the root, whose level all others have
	usual  string

	mu sync.Mutex
	// +checklocks:mu
	back *time.Timer // brings the usual level back; nil: nothing does
}

// set makes level the level: for d, then the usual one comes back, or until the end where d is 0. It tells what holds
// from now on.
func (l *logLevel) set(level string, d time.Duration) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopLocked()
	l.change(level, d)
	told := "log level " + level
	switch {
	case level == l.usual:
	case d == 0:
		told += " until the gateway ends"
	default:
		told += " for " + d.String() + ", then " + l.usual
		l.back = time.AfterFunc(d, l.restore)
	}
	return told
}

// change makes level the level, with a line in the log wherever one of both levels shows it.
func (l *logLevel) change(level string, d time.Duration) {
	next := hclog.LevelFromString(level)
	l.logger.SetLevel(min(next, l.logger.GetLevel()))
	fields := []any{"level", level}
	if d > 0 {
		fields = append(fields, "for", d.String())
	}
	l.logger.Info("log level changed", fields...)
	l.logger.SetLevel(next)
}

func (l *logLevel) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back == nil {
		return // another level was set meanwhile
	}
	l.back = nil
	l.change(l.usual, 0)
}

// stop ends the wait for the usual level.
func (l *logLevel) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopLocked()
}

// +checklocks:l.mu
func (l *logLevel) stopLocked() {
	if l.back != nil {
		l.back.Stop()
		l.back = nil
	}
}

// ParseLogTime reads how long another log level shall hold: above 0, and at most 24 hours.
func ParseLogTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > longestLogLevel {
		return 0, fmt.Errorf("want a duration above 0 with its unit, such as 5m, up to 24h (seen %q)", text)
	}
	return d, nil
}

// logLevelQuestion reads the parameters of POST /log.
func logLevelQuestion(query string) (level string, d time.Duration, err error) {
	values, err := parameters(query, []string{"level", "for"})
	if err != nil {
		return "", 0, err
	}
	if values.Has("for") {
		if d, err = ParseLogTime(values.Get("for")); err != nil {
			return "", 0, fmt.Errorf("for: %w", err)
		}
	}
	level = values.Get("level")
	if known := telemetry.LogLevels(); !slices.Contains(known, level) {
		return "", 0, fmt.Errorf("level: want one of %s (seen %q)", strings.Join(known, ", "), level)
	}
	return level, d, nil
}

func (v View) logLevel(w http.ResponseWriter, r *http.Request) {
	level, d, err := logLevelQuestion(r.URL.RawQuery)
	if err != nil {
		respondText(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	respondText(w, http.StatusOK, v.LogLevel(level, d)+"\n")
}
