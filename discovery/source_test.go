package discovery

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// patience is how long a test waits for what must come. It comes at once.
const patience = 20 * time.Second

// follow runs a source for the length of a test.
func follow(t *testing.T, s Source) <-chan Document {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan Document, 16) // for what comes while a test waits for something else
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, out) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return out
}

// next is the next document, which must come.
func next(t *testing.T, out <-chan Document) Document {
	t.Helper()
	select {
	case d := <-out:
		return d
	case <-time.After(patience):
		t.Fatal("no document came")
		return Document{}
	}
}

// body is what a single document says: its text, or why there is none.
func body(d Document) string {
	switch {
	case d.Negative:
		return "(negative)"
	case d.Refused != nil:
		return "(refused) " + d.Refused.Error()
	}
	var all []string
	for _, p := range d.Parts {
		if p.Name != "" {
			all = append(all, p.Name+"="+string(p.Data))
		} else {
			all = append(all, string(p.Data))
		}
	}
	return strings.Join(all, " ")
}

func want(t *testing.T, out <-chan Document, text string) Document {
	t.Helper()
	d := next(t, out)
	if got := body(d); !strings.Contains(got, text) || text == "" && got != "" {
		t.Fatalf("document %q, want %q", got, text)
	}
	return d
}

func TestHashIsThatOfSha256sum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("routes: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := exec.Command("sha256sum", path).Output()
	if err != nil {
		t.Skip(err)
	}
	got := NewDocument("file", path, []config.Part{{Data: []byte("routes: []\n")}}).Hash
	if !strings.HasPrefix(string(sum), got+" ") {
		t.Errorf("hash %s, sha256sum says %s", got, sum)
	}
}

func TestHashTellsFoldersApart(t *testing.T) {
	part := func(name, data string) config.Part { return config.Part{Name: name, Data: []byte(data)} }
	seen := map[string]int{}
	for i, parts := range [][]config.Part{
		{part("", "ab")}, {part("a", "b")}, {part("", "a"), part("", "b")}, {part("a", "b"), part("c", "d")},
		{part("a", "bc"), part("", "d")}, {part("ab", "")}, {part("c", "d"), part("a", "b")},
	} {
		h := hashOf(parts)
		if j, ok := seen[h]; ok {
			t.Errorf("folders %d and %d have the same hash", j, i)
		}
		seen[h] = i
	}
}

func TestNewDocumentRefuses(t *testing.T) {
	big := make([]byte, config.MaxDocumentBytes/2+1)
	for _, row := range []struct {
		name  string
		parts []config.Part
		want  string
	}{
		{"empty", []config.Part{{}}, "key: empty"},
		{"an empty part", []config.Part{{Name: "a", Data: big}, {Name: "b"}}, "keyb: empty"},
		{"too large together", []config.Part{{Name: "a", Data: big}, {Name: "b", Data: big}},
			"key: larger than 8 MiB (8388610 bytes)"},
	} {
		d := NewDocument("consul", "key", row.parts)
		if d.Refused == nil || d.Refused.Error() != row.want || d.Parts != nil {
			t.Errorf("%s: %v, want %s", row.name, d.Refused, row.want)
		}
	}
	a, b := NewRefused("file", errors.New("a")), NewRefused("file", errors.New("b"))
	if a.Same(b) || !a.Same(NewRefused("file", errors.New("a"))) {
		t.Error("refusals are not told apart by their reason")
	}
}

func TestEnv(t *testing.T) {
	testserver.Goroutines(t)
	s := NewEnv(config.Part{Name: "made", Data: []byte("routes: []")})
	out := follow(t, s)
	first := want(t, out, "made=routes: []")
	if first.Source != "env" || first.Hash == "" {
		t.Errorf("document %+v, want one of the environment", first)
	}
	s.Reload()
	want(t, out, "made=routes: []")
	want(t, follow(t, NewEnv()), "")
}
