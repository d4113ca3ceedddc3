package cli

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A document of several megabytes, in two parts.
func testLarge(_ *testing.T, a *author) {
	const routes = 700 // of 2 KB, of which gzip leaves half
	random := rand.NewChaCha8([32]byte{})
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range routes {
		path := make([]byte, 1000)
		_, _ = random.Read(path) // never fails
		fmt.Fprintf(&b, "- {name: r%d, match: {path_prefix: /%x}, cluster: shop}\n", i, path)
	}
	b.WriteString("clusters: [{name: shop, endpoints: [\"10.0.0.1:80\"]}]\n")
	a.write(map[string]string{"large.yaml": b.String()})
	got := a.do("push", "large.yaml")
	if got.code != 0 || strings.Count(got.stdout, "\n") != mostShown+2 ||
		!strings.Contains(got.stdout, fmt.Sprintf("\n... and %d more changes (--json has all)\n", routes+2-mostShown)) {
		a.t.Fatalf("push: %+v", got)
	}
	var all []pushed
	got = a.do("history", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || len(all) != 1 || all[0].Size != b.Len() {
		a.t.Fatalf("history: %+v, %v", all, err)
	}
	if len(all[0].Parts) < 2 {
		a.t.Errorf("parts %q, want more than one", all[0].Parts)
	}
	a.says("no change\n", "diff", "large.yaml")
}

// What others have written cannot move the cursor, and no line is too wide.
func testHostileTexts(_ *testing.T, a *author) {
	long := strings.Repeat("long", 200)
	a.environ[len(a.environ)-1] = "USER=\x1b[2J" + long
	edit := strings.NewReplacer("shop", long[:60], "/shop", "/"+long, "10.0.0.1", long[:60]+".example.com")
	a.write(map[string]string{"long.yaml": edit.Replace(slowYAML)})
	for _, args := range [][]string{
		{"push", "slow.yaml", "--note", "one\ntwo\x1b[31m\u202e" + long},
		{"push", "long.yaml"}, {"history"}, {"diff"}, {"diff", "slow.yaml"}, {"rollback"}, {"history"},
	} {
		got := a.do(args...)
		if got.code != 0 || strings.ContainsAny(got.stdout, "\x1b\u202e") {
			a.t.Errorf("gateway %q: %+v", args, got)
		}
	}
	got := a.do("history").stdout
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "...  rollback: one two") {
		a.t.Errorf("history: %q", got)
	}
}

func testJSON(_ *testing.T, a *author) {
	a.write(map[string]string{"bad.yaml": "routes: [{name: a, match: {path_prefix: a}, cluster: b}]\n"})
	into := func(v any, code int, args ...string) {
		a.t.Helper()
		got := a.do(append(args, "--json")...)
		if err := json.Unmarshal([]byte(got.stdout), v); err != nil || got.code != code {
			a.t.Errorf("gateway %q: %+v, %v, want code %d", args, got, err, code)
		}
	}
	var out pushOutcome
	into(&out, 0, "push", "slow.yaml")
	if out.Key != a.key() || out.Revision != slow || !out.Pushed || len(out.Changes) != 3 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 0, "push", "fast.yaml")
	if out.Parent != slow || len(out.Changes) != 2 || len(out.Changes[0].Fields) != 1 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 1, "push", "bad.yaml")
	if out.Pushed || len(out.Problems) != 2 {
		a.t.Errorf("push: %+v", out)
	}
	out = pushOutcome{}
	into(&out, 1, "push", "orders.yaml")
	if out.Pushed || !slices.Equal(out.Empty, []string{"consul:orders"}) || len(out.Means) != 2 {
		a.t.Errorf("push: %+v", out)
	}
	var d difference
	into(&d, 0, "diff")
	if len(d.Changes) != 2 || d.Means == nil {
		a.t.Errorf("diff: %+v", d)
	}
	var all []pushed
	into(&all, 0, "history", "-n", "1")
	if len(all) != 1 || !all[0].Live || all[0].Rev != fast || all[0].Parent != slow || all[0].By != "ann@desk" {
		a.t.Errorf("history: %+v", all)
	}
	out = pushOutcome{}
	into(&out, 0, "rollback", "--dry-run")
	if out.Pushed || out.Revision != slow {
		a.t.Errorf("rollback: %+v", out)
	}
}

func TestWrap(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{"short", "short"},
		{strings.Repeat("word ", 20), strings.TrimSpace(strings.Repeat("word ", 16)) + "\n  word word word word"},
		{strings.Repeat("x", 100) + " y", strings.Repeat("x", 100) + "\n  y"},
	} {
		if got := wrap(row.text); got != row.want {
			t.Errorf("wrap(%q) = %q, want %q", row.text, got, row.want)
		}
	}
	if got := cut("äöü\tü", 4); got != "ä..." {
		t.Errorf("cut: %q", got)
	}
}

// Colours are for terminals, and for those who want them.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, row := range []struct {
		p    Process
		want bool
	}{
		{Process{Stdout: terminal}, true},
		{Process{Stdout: terminal, Environ: []string{"TERM=xterm"}}, true},
		{Process{Stdout: terminal, Environ: []string{"TERM=dumb"}}, false},
		{Process{Stdout: terminal, Environ: []string{"NO_COLOR=1"}}, false},
		{Process{Stdout: file}, false},
		{Process{Stdout: &strings.Builder{}}, false},
	} {
		if got := row.p.coloured(); got != row.want {
			t.Errorf("%q to %T: %v, want %v", row.p.Environ, row.p.Stdout, got, row.want)
		}
	}
}
