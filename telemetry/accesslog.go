package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

const (
	// logShards spreads the lines of different connections over different locks.
	logShards = 8
	// logShardBytes bounds what one shard holds while the file does not take it; then lines are dropped.
	logShardBytes = 1 << 20
	// logFlushBytes is when a shard is written without waiting for the next tick.
	logFlushBytes = 32 << 10
	// logKeepBytes is the largest buffer that a quiet shard keeps.
	logKeepBytes = 64 << 10
	// logFlushEvery is the longest that a line waits.
	logFlushEvery = 250 * time.Millisecond
	// logLastFlush bounds the last write: a reader that takes nothing must not keep the process.
	logLastFlush = time.Second
)

// AccessLog takes one line for each request or connection and writes them whole and soon. It never makes traffic wait:
// when the file takes no more, lines are dropped and counted. Write is safe from any goroutine.
type AccessLog struct {
	path    string // "stdout" or a file
	dropped *Counter
	broken  func(error) // told once when writing stops working, and again after it worked meanwhile
	short   *shortLine  // nil: lines are as documents choose

	shards [logShards]logShard
	wake   chan struct{}           // a shard is full enough
	next   atomic.Pointer[os.File] // what Reopen has opened; the next flush goes on with it
	inHand atomic.Int64            // lines that are being written
	failed atomic.Pointer[string]  // why lines cannot be written; nil: they can
	stale  atomic.Pointer[string]  // why the last Reopen did not work; nil: it did

	mu sync.Mutex // held while writing
	// +checklocks:mu
	file io.WriteCloser
	// +checklocks:mu
	failing bool
	// +checklocks:mu
	rest []byte // of a line whose beginning is in the file already
}

type logShard struct {
	mu sync.Mutex
	// +checklocks:mu
	buf []byte
	// +checklocks:mu
	spare []byte
	// +checklocks:mu
	second int64 // for which stamp is right
	// +checklocks:mu
	stamp [19]byte // 2006-01-02T15:04:05
	_     [64]byte // keeps neighbours off the cache line
}

// OpenAccessLog opens the log at path: "stdout" or a file, which is made (0640) or appended to. Run does the writing.
func OpenAccessLog(path string, dropped *Counter, broken func(error)) (*AccessLog, error) {
	l := &AccessLog{path: path, dropped: dropped, broken: broken, wake: make(chan struct{}, 1)}
	if path == "stdout" {
		l.file = nopCloser{os.Stdout}
		return l, nil
	}
	f, err := l.open()
	l.file = f
	return l, err
}

func (l *AccessLog) open() (*os.File, error) {
	f, err := namedfile.Append(l.path)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Reopen opens the path anew, for log rotation; the next flush closes the old file and goes on there. When that does
// not work the old file stays in use. It waits for no write that is under way.
func (l *AccessLog) Reopen() error {
	if l.path == "stdout" {
		return nil
	}
	f, err := l.open()
	if err != nil {
		why := err.Error()
		l.stale.Store(&why)
		return err
	}
	l.stale.Store(nil)
	if unused := l.next.Swap(f); unused != nil {
		return unused.Close()
	}
	return nil
}

// turn goes on with what Reopen has opened.
//
// +checklocks:l.mu
func (l *AccessLog) turn() {
	f := l.next.Swap(nil)
	if f == nil {
		return
	}
	if err := l.file.Close(); err != nil {
		l.broken(err)
	}
	l.file, l.rest = f, nil // the rest belongs to the old file
}

// Run writes what has been gathered until ctx ends, then once more. One goroutine runs it. A last write that does not
// come to its end is left behind, with the goroutine that is stuck in it. Its lines are counted as dropped.
func (l *AccessLog) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.writeAll(ctx)
	}()
	<-ctx.Done()
	t := time.NewTimer(logLastFlush)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		l.abandon()
	}
}

// writeAll is the goroutine of Run that may get stuck.
func (l *AccessLog) writeAll(ctx context.Context) {
	t := time.NewTicker(logFlushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Flush()
			return
		case <-t.C:
		case <-l.wake:
		}
		l.Flush()
	}
}

// abandon gives up what has not been written.
func (l *AccessLog) abandon() {
	n := l.inHand.Load() // some of them may have been
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += countLines(s.buf)
		s.buf = nil
		s.mu.Unlock()
	}
	l.dropped.Add(n)
	l.broken(fmt.Errorf("nobody takes the last %d lines", n))
}

func countLines(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }

// Flush writes all that has been gathered so far.
func (l *AccessLog) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		full := s.buf
		s.buf, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		if len(full) > 0 {
			l.inHand.Store(countLines(full))
			l.write(full)
			l.inHand.Store(0)
		}
		if cap(full) > logKeepBytes && len(full) < logFlushBytes {
			full = nil
		}
		s.mu.Lock()
		s.spare = full[:0]
		s.mu.Unlock()
	}
}

// write writes lines, or drops and counts them. Where the file took a part of a line only, the rest of it comes first
// the next time.
//
// +checklocks:l.mu
func (l *AccessLog) write(lines []byte) {
	var n int
	var err error
	if len(l.rest) > 0 {
		n, err = l.file.Write(l.rest)
		l.rest = l.rest[n:]
	}
	if err == nil {
		n, err = l.file.Write(lines)
		if lines = lines[n:]; err != nil && n > 0 {
			end := bytes.IndexByte(lines, '\n') + 1
			l.rest = bytes.Clone(lines[:end])
			lines = lines[end:]
		}
	}
	if err == nil {
		l.failing = false
		l.failed.Store(nil)
		return
	}
	l.dropped.Add(countLines(lines))
	if !l.failing {
		l.failing = true
		why := err.Error()
		l.failed.Store(&why)
		l.broken(err)
	}
}

// NotReopened is why the last Reopen did not work, so that lines go where they went before; empty: it did.
func (l *AccessLog) NotReopened() string {
	if why := l.stale.Load(); why != nil {
		return *why
	}
	return ""
}

// Failure is why lines cannot be written now; empty: they can.
func (l *AccessLog) Failure() string {
	if why := l.failed.Load(); why != nil {
		return *why
	}
	return ""
}

// Write formats r as f says and gathers the line. shard is any number that spreads the writers, such as a count of
// connections.
func (l *AccessLog) Write(f *LogFormat, r *Record, shard uint32) {
	s := &l.shards[shard%logShards]
	s.mu.Lock()
	before := len(s.buf)
	if before > logShardBytes {
		s.mu.Unlock()
		l.dropped.Inc()
		return
	}
	if sec := r.Time.Unix(); sec != s.second {
		s.second = sec
		copy(s.stamp[:], r.Time.UTC().AppendFormat(s.stamp[:0], "2006-01-02T15:04:05"))
	}
	if l.short != nil {
		s.buf = l.short.append(s.buf, r)
	} else {
		s.buf = f.append(s.buf, r, &s.stamp)
	}
	ripe := before < logFlushBytes && len(s.buf) >= logFlushBytes
	s.mu.Unlock()
	if ripe {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}
