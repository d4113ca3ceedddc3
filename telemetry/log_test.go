package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestLoggerLevelsAndFormats(t *testing.T) {
	for _, tt := range []struct{ level, format, want string }{
		{"trace", "json", ""},
		{"debug", "text", ""},
		{"info", "json", ""},
		{"warn", "json", ""},
		{"error", "json", ""},
		{"off", "json", ""},
		{"loud", "json", `env GATEWAY_LOG_LEVEL: "loud": not one of trace, debug, info, warn, error, off`},
		{"", "json", `env GATEWAY_LOG_LEVEL: "": not one of trace, debug, info, warn, error, off`},
		{"info", "xml", `env GATEWAY_LOG_FORMAT: "xml": not one of json, text`},
	} {
		logger, err := NewLogger(tt.level, tt.format, &bytes.Buffer{})
		switch {
		case tt.want == "" && (err != nil || logger.GetLevel().String() != tt.level):
			t.Errorf("NewLogger(%q, %q): %v", tt.level, tt.format, err)
		case tt.want != "" && (err == nil || err.Error() != tt.want):
			t.Errorf("NewLogger(%q, %q) = %v, want %s", tt.level, tt.format, err, tt.want)
		}
	}
}

func TestLoggerFormats(t *testing.T) {
	var out bytes.Buffer
	logger, _ := NewLogger("info", "json", &out)
	logger.Debug("not shown")
	logger.Info("revision applied", "revision", "4f2a", "routes", 3)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	delete(line, "@timestamp")
	want := map[string]any{"@level": "info", "@module": "gateway", "@message": "revision applied", "revision": "4f2a",
		"routes": 3.0}
	if fmt.Sprint(line) != fmt.Sprint(want) {
		t.Errorf("json line = %v, want %v", line, want)
	}

	out.Reset()
	logger.Info("revision applied", "changes", []string{"5s -> 6s"})
	if got := out.String(); !strings.Contains(got, `5s -> 6s`) {
		t.Errorf("json line = %s, want it to have the arrow as it is", got)
	}

	out.Reset()
	logger, _ = NewLogger("info", "text", &out)
	logger.Info("revision applied", "revision", "4f2a")
	if got, want := out.String(), " [INFO]  gateway: revision applied: revision=4f2a\n"; !strings.HasSuffix(got, want) {
		t.Errorf("text line = %q, want it to end in %q", got, want)
	}
}

// writes keeps what each Write was given.
type writes struct {
	mu sync.Mutex
	// +checklocks:mu
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}

func TestLogLinesAreWhole(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var w writes
		root, _ := NewLogger("info", format, &w)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				log := root.Named("part").With("i", i)
				for range 25 {
					log.Info("a message", "text", strings.Repeat("x", 5000))
				}
			})
		}
		wg.Wait()
		if len(w.all) != 100 {
			t.Errorf("%s: %d writes for 100 lines", format, len(w.all))
		}
		for _, line := range w.all {
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Fatalf("%s: a write is not one line: %q", format, line)
			}
		}
	}
}
