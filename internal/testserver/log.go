package testserver

import (
	"bytes"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// Log is what many goroutines write while a test reads it: a log, or a terminal. The zero value is empty.
type Log struct {
	mu sync.Mutex
	// +checklocks:mu
	b bytes.Buffer
}

// Write is for the logger.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Logger returns a logger that writes to the log.
func (l *Log) Logger() hclog.Logger { return hclog.New(&hclog.LoggerOptions{Output: l}) }
