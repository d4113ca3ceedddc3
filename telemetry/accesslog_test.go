package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// openLog opens a log in a file of the test's own. What breaks is told to broken, which may be nil.
func openLog(t testing.TB, path string, dropped *Counter, broken func(error)) *AccessLog {
	t.Helper()
	if broken == nil {
		broken = func(err error) { t.Errorf("broken: %v", err) }
	}
	l, err := OpenAccessLog(path, dropped, broken)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run runs the log until the test ends.
func run(t testing.TB, l *AccessLog) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// pathOnly is a line that says nothing but its path.
var pathOnly = NewLogFormat([]string{"path"})

func write(l *AccessLog, path string, shard uint32) {
	l.Write(pathOnly, &Record{Path: []byte(path)}, shard)
}

func line(path string) string { return `{"path":"` + path + "\"}\n" }

func TestAccessLogWritesWithinASecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(t, path, new(Counter), nil)
	run(t, l)
	begun := time.Now()
	write(l, "/a", 0)
	for read(t, path) != line("/a") {
		if time.Since(begun) > time.Second {
			t.Fatal("no line after a second")
		}
	}
}

func TestAccessLogWritesTheRestAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(t, path, new(Counter), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	write(l, "/a", 0)
	l.Run(ctx)
	if got := read(t, path); got != line("/a") {
		t.Errorf("file = %q", got)
	}
}

func TestAccessLogAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, path, new(Counter), nil)
	write(l, "/a", 0)
	l.Flush()
	if got := read(t, path); got != "old\n"+line("/a") {
		t.Errorf("file = %q", got)
	}
}

func TestAccessLogThatCannotBeOpened(t *testing.T) {
	_, err := OpenAccessLog(filepath.Join(t.TempDir(), "no", "log"), new(Counter), nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "access log: open ") {
		t.Errorf("OpenAccessLog = %v", err)
	}
}

func TestAccessLogKeepsLinesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var dropped Counter
	l := openLog(t, path, &dropped, nil)
	run(t, l)
	const writers, each = 16, 2000
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				write(l, fmt.Sprintf("/%d/%d/%s", w, i, strings.Repeat("x", i%300)), uint32(w))
			}
		})
	}
	all.Wait()
	l.Flush()
	seen := map[string]bool{}
	for raw := range strings.Lines(read(t, path)) {
		var r struct{ Path string }
		if err := json.Unmarshal([]byte(raw), &r); err != nil || seen[r.Path] {
			t.Fatalf("line %q: %v, twice %v", raw, err, seen[r.Path])
		}
		seen[r.Path] = true
	}
	if n := int64(len(seen)) + dropped.Load(); n != writers*each {
		t.Errorf("%d lines and %d dropped, want %d in all", len(seen), dropped.Load(), writers*each)
	}
}

// A file that takes nothing must not make traffic wait: what does not fit is dropped and counted, and what fits comes
// when it can.
func TestBlockedAccessLogDropsAndCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	r, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var dropped Counter
	l := openLog(t, path, &dropped, nil)
	flushed := make(chan struct{})
	const lines, text = 20_000, 400 // 8 MB: more than a shard and a pipe hold
	begun := time.Now()
	for i := range lines {
		write(l, fmt.Sprintf("/%d/%s", i, strings.Repeat("x", text)), 0)
		if i == 1000 {
			go func() { defer close(flushed); l.Flush() }() // stands still in the pipe
		}
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("writing took %v", d)
	}
	if n := dropped.Load(); n < lines/2 || n == lines {
		t.Errorf("%d lines were dropped of %d", n, lines)
	}
	got := make(chan int)
	go func() {
		n := 0
		b := make([]byte, 64<<10)
		for {
			m, err := r.Read(b)
			if n += bytes.Count(b[:m], []byte("\n")); err != nil || n+int(dropped.Load()) == lines {
				got <- n
				return
			}
		}
	}()
	<-flushed
	l.Flush()
	if n := <-got; n+int(dropped.Load()) != lines {
		t.Errorf("%d lines came and %d were dropped, want %d in all", n, dropped.Load(), lines)
	}
}

// stuck is a pipe that nobody reads.
type stuck struct{ free chan struct{} }

func (f stuck) Write(b []byte) (int, error) { <-f.free; return len(b), nil }
func (f stuck) Close() error                { return nil }

// A reader that takes nothing must neither keep the process from ending nor hold up a SIGHUP.
func TestStuckAccessLogLetsTheProcessEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		var dropped Counter
		var told []string
		l := openLog(t, path, &dropped, func(err error) { told = append(told, err.Error()) })
		f := stuck{make(chan struct{})}
		defer close(f.free)
		l.mu.Lock()
		l.file.Close()
		l.file = f
		l.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.Run(ctx) }()
		write(l, "/a", 0)
		<-time.After(2 * logFlushEvery) // of the bubble: it is stuck now
		write(l, "/b", 0)
		write(l, "/c", 1)
		for range 2 {
			if err := l.Reopen(); err != nil {
				t.Errorf("Reopen: %v", err)
			}
		}
		cancel()
		begun := time.Now()
		<-ended
		if d := time.Since(begun); d != logLastFlush {
			t.Errorf("Run ended after %v, want %v", d, logLastFlush)
		}
		if dropped.Load() != 3 || len(told) != 1 || told[0] != "nobody takes the last 3 lines" {
			t.Errorf("%d lines dropped, told %q", dropped.Load(), told)
		}
	})
}

func TestAccessLogReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(t, path, new(Counter), nil)
	write(l, "/old", 0)
	l.Flush()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(l, "/still-old", 0)
	l.Flush()
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(l, "/new", 0)
	l.Flush()
	if old, now := read(t, path+".1"), read(t, path); old != line("/old")+line("/still-old") || now != line("/new") {
		t.Errorf("old file %q, new file %q", old, now)
	}
}

func TestAccessLogStaysWhereItCannotReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, filepath.Join(dir, "log"), new(Counter), nil)
	if err := os.Rename(dir, dir+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Reopen = %v", err)
	}
	write(l, "/a", 0)
	l.Flush()
	if got := read(t, filepath.Join(dir+".1", "log")); got != line("/a") {
		t.Errorf("file = %q", got)
	}
}

// tight is a file on a disk that is full now and then.
type tight struct {
	bytes.Buffer
	room int
}

func (f *tight) Write(b []byte) (int, error) {
	if len(b) <= f.room {
		f.room -= len(b)
		return f.Buffer.Write(b)
	}
	n, _ := f.Buffer.Write(b[:f.room])
	f.room = 0
	return n, io.ErrShortWrite
}
func (f *tight) Close() error { return nil }

// A disk that is full in the middle of a line leaves no half a line behind when it has room again.
func TestAccessLogFinishesALine(t *testing.T) {
	told := 0
	var dropped Counter
	l := &AccessLog{dropped: &dropped, broken: func(error) { told++ }, wake: make(chan struct{}, 1)}
	for cut := range len(line("/1")) + 1 {
		f := &tight{room: len(line("/0")) + cut}
		l.file, l.rest = f, nil
		dropped, told = Counter{}, 0
		for i := range 4 {
			write(l, fmt.Sprintf("/%d", i), 0)
		}
		l.Flush()
		write(l, "/4", 0)
		l.Flush() // full still
		f.room = 1000
		write(l, "/5", 0)
		l.Flush()
		lost := int64(strings.Count(line("/0")+line("/1")+line("/2")+line("/3")+line("/4")+line("/5"),
			"\n") - strings.Count(f.String(), "\n"))
		for raw := range strings.Lines(f.String()) {
			if !json.Valid([]byte(raw)) {
				t.Errorf("cut at %d: no line of JSON: %q", cut, raw)
			}
		}
		if !strings.HasPrefix(f.String(), line("/0")) || !strings.HasSuffix(f.String(), line("/5")) ||
			dropped.Load() != lost || told != 1 {
			t.Errorf("cut at %d: file %q, %d dropped, want %d, told %d times", cut, f.String(), dropped.Load(), lost,
				told)
		}
	}
}

func TestAccessLogTellsOfEachTrouble(t *testing.T) {
	told := 0
	l := &AccessLog{dropped: new(Counter), broken: func(error) { told++ }, wake: make(chan struct{}, 1)}
	f := &tight{}
	l.file = f
	for _, room := range []int{0, 0, 1000, 0, 0} {
		f.room = room
		write(l, "/a", 0)
		l.Flush()
	}
	if told != 2 {
		t.Errorf("told %d times, want once for each time that it broke", told)
	}
}

func BenchmarkAccessLogWrite(b *testing.B) {
	l := openLog(b, filepath.Join(b.TempDir(), "log"), new(Counter), nil)
	run(b, l)
	f, r := NewLogFormat(logfield.Names()), fullRecord()
	b.ReportAllocs()
	for b.Loop() {
		l.Write(f, r, 0)
	}
}

// A pipe that nobody reads must hold up neither the start nor a SIGHUP.
func TestAccessLogWaitsForNoReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := OpenAccessLog(path, new(Counter), nil); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("OpenAccessLog = %v, want that nobody reads the pipe", err)
	}
	l := openLog(t, filepath.Join(t.TempDir(), "log"), new(Counter), nil)
	l.path = path
	if err := l.Reopen(); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("Reopen = %v, want that nobody reads the pipe", err)
	}
}
