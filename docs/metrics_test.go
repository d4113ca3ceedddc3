package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// metric is what an exported metric is, or what the table says it is.
type metric struct {
	unit       string
	attributes []string // sorted
}

// TestMetrics holds the table to telemetry/instruments.go, and, for attributes, to
// the text that telemetry's own TestEveryMetric compares what is exported with.
func TestMetrics(t *testing.T) {
	want := instruments(t)
	attributes := exported(t)
	for name, m := range want {
		m.attributes = attributes[name]
		want[name] = m
	}
	got := map[string]metric{}
	for _, row := range tableOf(t, "observability.md", "metric").rows {
		name := strings.Trim(row[0], "`")
		m := metric{row[1], codes(row[2])}
		slices.Sort(m.attributes)
		if strings.HasPrefix(name, "go.") {
			m.attributes = nil // TestEveryMetric leaves the runtime's own values out
		}
		got[name] = m
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, w := got[name], want[name]
		if g.unit != w.unit || !slices.Equal(g.attributes, w.attributes) {
			t.Errorf("the table has %s with %q and %q, want %q and %q", name, g.unit, g.attributes, w.unit,
				w.attributes)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("the table has %s, which is no metric", name)
	}
}

// instruments are the names and units of telemetry/instruments.go.
func instruments(t *testing.T) map[string]metric {
	t.Helper()
	file := source(t, "../telemetry/instruments.go")
	all, words := map[string]metric{}, map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					words[name.Name], _ = text(n.Values[i])
				}
			}
		case *ast.CompositeLit:
			if kind, ok := n.Type.(*ast.Ident); !ok || kind.Name != "instrument" || len(n.Elts) != 4 {
				return true
			}
			name, _ := text(n.Elts[1])
			unit, literal := text(n.Elts[2])
			if id, ok := n.Elts[2].(*ast.Ident); ok && !literal {
				unit = words[id.Name]
			}
			all[name] = metric{unit: unit}
		}
		return true
	})
	if len(all) < 20 {
		t.Fatalf("%d instruments, want all of them", len(all))
	}
	return all
}

// exported are the attributes of each metric in the constant everything.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	everything := ""
	ast.Inspect(source(t, "../telemetry/producer_test.go"), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "everything" && len(v.Values) == 1 {
			everything, _ = text(v.Values[0])
		}
		return true
	})
	all, name := map[string][]string{}, ""
	key := regexp.MustCompile(`(?:^|\s)([a-z][a-z0-9_.]+)=`)
	for line := range strings.Lines(everything) {
		if !strings.HasPrefix(line, " ") {
			name, _, _ = strings.Cut(line, " ")
			continue
		}
		for _, m := range key.FindAllStringSubmatch(line, -1) {
			all[name] = append(all[name], m[1])
		}
	}
	if len(all) == 0 {
		t.Fatal("producer_test.go: no text of everything that is exported")
	}
	const ofCalls = "http.server.request.duration"
	all[ofCalls] = append(all[ofCalls], "rpc.grpc.status_code") // only of gRPC calls
	for name, keys := range all {
		slices.Sort(keys)
		all[name] = slices.Compact(keys)
	}
	return all
}

func source(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// ofSpans are the names of what spans alone have: attributes and events.
func ofSpans(t *testing.T) (names []string) {
	t.Helper()
	ast.Inspect(source(t, "../telemetry/span_attributes.go"), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, value := range spec.Values {
				if name, literal := text(value); literal {
					names = append(names, name)
				}
			}
		}
		return true
	})
	if len(names) < 10 {
		t.Fatalf("%d names, want all of them", len(names))
	}
	return names
}

// text is the value of a string literal.
func text(e ast.Expr) (string, bool) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	return "", false
}
