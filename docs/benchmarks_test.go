package docs_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// peers are the results of a run of tools/bench.
type peers struct {
	Rows []struct {
		Scenario, Unit string
		Figures        map[string]struct{ Median, Least, Most float64 }
	}
}

func readPeers(t *testing.T, file string) (p peers) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err = json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}

// bench runs tools/bench.
func bench(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), benchProgram(t), args...)
	cmd.Dir = filepath.Join("..", "tools", "bench")
	temp := t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin", "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return string(out)
}

// A short run beside nginx and HAProxy has a figure for each, a chart, and a table.
func TestBenchPeers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	t.Parallel()
	dir := t.TempDir()
	gateway := gatewayProgram(t)
	prefix := filepath.Join(dir, "out", "peers")
	table := bench(t, "-gateway", gateway, "-out", prefix, "-scenarios", "h1log,grpc,start", "-seconds", "1",
		"-rounds", "1")
	rows := readPeers(t, prefix+".json").Rows
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4 (start has two): %s", len(rows), table)
	}
	for _, r := range rows {
		for _, peer := range []string{"gateway", "nginx", "haproxy"} {
			if f := r.Figures[peer]; f.Median <= 0 || f.Least > f.Median || f.Most < f.Median {
				t.Errorf("%s: %s has %+v", r.Scenario, peer, f)
			}
		}
		if !strings.Contains(table, "| "+r.Unit+" |") {
			t.Errorf("no row for %s in\n%s", r.Scenario, table)
		}
	}
	text, err := os.ReadFile(prefix + ".svg")
	if err != nil {
		t.Fatal(err)
	}
	if bars := elements(t, text)["rect"]; bars < 3*len(rows) {
		t.Errorf("%d rectangles for %d rows of three bars", bars, len(rows))
	}
}

// elements counts the elements of a document of XML, which has to be well formed.
func elements(t *testing.T, text []byte) map[string]int {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	n := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

// The page and the chart are what tools/bench makes of the results that are kept beside them.
func TestBenchmarksPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	was := map[string][]byte{}
	for _, name := range []string{"benchmarks.md", "benchmarks.json", "benchmarks.svg"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		was[name] = text
		if err = os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	prefix := filepath.Join(dir, "benchmarks")
	bench(t, "-from", prefix+".json", "-out", prefix, "-page", prefix+".md")
	for name, text := range was {
		now, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now, text) {
			t.Errorf("%s is not what `make bench-page` writes; it would be\n%s", name, now)
		}
	}
	listed := strings.Fields(bench(t, "-list"))
	for _, r := range readPeers(t, "benchmarks.json").Rows {
		if len(listed) > 0 && r.Scenario == listed[0] {
			listed = listed[1:]
		}
	}
	if len(listed) > 0 {
		t.Errorf("benchmarks.json lacks %v", listed)
	}
}
