package docs_test

import (
	"go/ast"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWarnings holds the table to what the code logs at the levels warn and error. Where the code adds to a message, the
// table has three dots.
func TestWarnings(t *testing.T) {
	want := warnings(t)
	got := map[string]string{}
	for _, row := range tableOf(t, "operations.md", "message").rows {
		got[codes(row[0])[0]] = row[1]
	}
	used := map[string]bool{}
	for _, message := range slices.Sorted(maps.Keys(want)) {
		row := message
		for known := range got {
			if begin, open := strings.CutSuffix(known, " ..."); open && strings.HasPrefix(message+" ", begin+" ") {
				row = known
			}
		}
		if got[row] != want[message] {
			t.Errorf("the table has %q at level %q, want %q", message, got[row], want[message])
		}
		used[row] = true
	}
	for message := range got {
		if !used[message] {
			t.Errorf("the table has %q, which is logged nowhere", message)
		}
	}
}

// warnings are the constant beginnings of messages, with their level.
func warnings(t *testing.T) map[string]string {
	t.Helper()
	levels := map[string]string{"Warn": "warn", "Error": "error", "failed": "warn"} // failed is the state directory's
	all := map[string]string{}
	for _, dir := range []string{"discovery", "internal", "l4", "mtls", "proxy", "sidecar", "telemetry"} {
		err := filepath.WalkDir("../"+dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasPrefix(path, "../internal/test") {
				return err
			}
			ast.Inspect(source(t, path), func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				to, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || levels[to.Sel.Name] == "" {
					return true
				}
				first := call.Args[0]
				if sum, ok := first.(*ast.BinaryExpr); ok {
					first = sum.X
				}
				if message, ok := text(first); ok {
					all[strings.TrimSpace(message)] = levels[to.Sel.Name]
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d warnings, want all of them", len(all))
	}
	return all
}
