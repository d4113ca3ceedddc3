package sidecar_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fabian4/gateway-homebrew-go"

// layers has every package of the gateway in its layer. A package imports only
// what is in a layer below its own. A new package is added here, or the test fails.
var layers = map[string]int{
	".": 4, // arguments, signals, exit code

	"sidecar/cli":     3, // see sameLayer
	"sidecar/checkup": 3, // see sameLayer
	"sidecar":         3,

	"discovery/consul":  2, // see sameLayer
	"discovery":         2, // control plane
	"proxy":             2, // L7 data plane
	"proxy/healthcheck": 2, // see sameLayer
	"proxy/relay":       2,
	"proxy/forward":     2,
	"proxy/route":       2,
	"l4":                2, // L4 data plane

	"mtls":                1,
	"internal/access":     1,
	"internal/docdiff":    1,
	"internal/cluster":    1,
	"internal/passwords":  1,
	"internal/proxyproto": 1,
	"proxy/http1":         1,
	"proxy/http2":         1,

	"internal/config":    0,
	"internal/netio":     0,
	"telemetry":          0,
	"internal/filewatch": 0,
	"internal/statedir":  0,
	"proxy/message":      0,

	"internal/identity":  -1, // names of clients, which documents and certificates have
	"internal/logfield":  -1, // names that two packages of layer 0 must agree in
	"internal/namedfile": -1, // files that settings name, opened in one way
}

// sameLayer has the imports that are allowed within a layer.
var sameLayer = map[[2]string]string{
	{"sidecar/cli", "sidecar"}:         "the commands run the sidecar",
	{"sidecar/cli", "sidecar/checkup"}: "one of them checks what is around it",
	{"sidecar/checkup", "sidecar"}:     "it is checked by the settings of a sidecar",
	{"discovery/consul", "discovery"}:  "Consul is one of the sources of documents",
	{"proxy", "proxy/healthcheck"}:     "active checks are a part of the plane that knows nothing of the rest",
	{"proxy", "proxy/relay"}:           "connections hand their requests over to who carries them",
	{"proxy", "proxy/forward"}:         "connections hand their requests over to who carries them",
	{"proxy", "proxy/route"}:           "a revision is compiled before it serves",
	{"proxy/relay", "proxy/forward"}:   "a relay shares the rules, and falls back to a goroutine",
	{"proxy/relay", "proxy/route"}:     "a relay does what was decided",
	{"proxy/forward", "proxy/route"}:   "a request is carried as it was decided",
}

// boundary keeps an import (and all below it) to some files.
type boundary struct {
	reason string
	inside []string // folders with a slash at the end, or files
	tests  bool     // tests may cross it everywhere
	only   string   // if set, the boundary is around this folder; else it is everywhere
}

var boundaries = map[string]boundary{
	"github.com/hashicorp/consul": {
		reason: "Consul is spoken to in discovery/consul/ only, so that its quirks are met in one place",
		inside: []string{"discovery/consul/"},
	},
	"github.com/hashicorp/go-bexpr": {
		reason: "Consul evaluates filters; only whether they can be read is checked with the document",
		inside: []string{"internal/config/"},
	},
	"github.com/kelseyhightower/envconfig": {
		reason: "the environment is read once, by the bootstrap struct",
		inside: []string{"sidecar/env.go", "sidecar/env_test.go"},
	},
	"go.opentelemetry.io": {
		reason: "OpenTelemetry stays in telemetry/: the planes count with its counters",
		inside: []string{"telemetry/"},
	},
	"net/http": {
		reason: "net/http costs several times our own engine; the admin server is in sidecar/",
		only:   "proxy/",
		tests:  true,
	},
	"net/http/pprof": {
		reason: "it registers itself on a global mux; only the admin server shows profiles",
		inside: []string{"sidecar/"},
	},
	module + "/internal/testserver": {
		reason: "what tests are made with is no part of the gateway",
		inside: []string{"internal/"},
		tests:  true,
	},
	module + "/internal/testgateway": {
		reason: "what tests are made with is no part of the gateway",
		inside: []string{"internal/"},
		tests:  true,
	},
	module + "/internal/testpeer": {
		reason: "what tests are made with is no part of the gateway",
		inside: []string{"internal/"},
		tests:  true,
	},
	module + "/internal/testcert": {
		reason: "what tests are made with is no part of the gateway",
		inside: []string{"internal/"},
		tests:  true,
	},
}

// source is what the rules look at in one Go file.
type source struct {
	path    string   // slash-separated, from the module's root
	imports []string // import paths
	doc     string   // of the package
	tls     []string // positions where a tls.Config is made
}

func (s source) dir() string   { return path.Dir(s.path) }
func (s source) test() bool    { return strings.HasSuffix(s.path, "_test.go") }
func (s source) nested() bool  { return strings.HasPrefix(s.path, "tools/") }        // modules of their own
func (s source) support() bool { return strings.HasPrefix(s.path, "internal/test") } // for tests only

func TestImportsPointDown(t *testing.T) {
	for _, s := range tree(t) {
		report(t, upward(s))
	}
	for _, row := range []struct {
		path, imports string
		want          int
	}{
		{"main.go", "sidecar/cli", 0},
		{"sidecar/cli/run.go", "sidecar", 0},
		{"sidecar/run.go", "sidecar/cli", 1},
		{"discovery/consul/kv.go", "discovery", 0},
		{"discovery/file.go", "discovery/consul", 1},
		{"discovery/consul/kv.go", "proxy", 1},
		{"proxy/handler.go", "internal/cluster", 0},
		{"proxy/server.go", "proxy/healthcheck", 0},
		{"proxy/healthcheck/checker.go", "proxy", 1},
		{"internal/cluster/pool.go", "proxy", 1},
		{"internal/cluster/pool.go", "proxy/http1", 1},
		{"proxy/forward.go", "l4", 1},
		{"proxy/newcomer/x.go", "telemetry", 1},
		{"telemetry/x.go", "newcomer", 1},
		{"proxy/forward_test.go", "l4", 0},
	} {
		got := upward(source{path: row.path, imports: []string{module + "/" + row.imports}})
		if len(got) != row.want {
			t.Errorf("%s importing %s: problems %q, want %d", row.path, row.imports, got, row.want)
		}
	}
}

// upward returns what is wrong with the imports of our own packages in one file.
// Tests may import from any layer.
func upward(s source) []string {
	if s.test() || s.nested() || s.support() {
		return nil
	}
	own, known := layers[s.dir()]
	if !known {
		return []string{fmt.Sprintf("%s: package %q has no layer in sidecar/layers_test.go", s.path, s.dir())}
	}
	var problems []string
	for _, i := range s.imports {
		below, ours := strings.CutPrefix(i, module+"/")
		if !ours || strings.HasPrefix(below, "internal/test") || sameLayer[[2]string{s.dir(), below}] != "" {
			continue
		}
		layer, known := layers[below]
		switch {
		case !known:
			problems = append(problems, fmt.Sprintf("%s: imports %q, which has no layer in sidecar/layers_test.go",
				s.path, below))
		case layer >= own:
			problems = append(problems, fmt.Sprintf("%s (layer %d): imports %q (layer %d); imports point down", s.path,
				own, below, layer))
		}
	}
	return problems
}

func TestFences(t *testing.T) {
	for _, s := range tree(t) {
		report(t, breaches(s))
	}
	for _, row := range []struct {
		path, imports string
		want          int
	}{
		{"discovery/consul/kv.go", "github.com/hashicorp/consul/api", 0},
		{"discovery/consul/kv_test.go", "github.com/hashicorp/consul/api", 0},
		{"discovery/file.go", "github.com/hashicorp/consul/api", 1},
		{"sidecar/apply.go", "github.com/hashicorp/consul/api", 1},
		{"sidecar/env.go", "github.com/kelseyhightower/envconfig", 0},
		{"sidecar/flags.go", "github.com/kelseyhightower/envconfig", 1},
		{"telemetry/provider.go", "go.opentelemetry.io/otel/sdk/metric", 0},
		{"proxy/handler.go", "go.opentelemetry.io/otel/attribute", 1},
		{"proxy/handler.go", "net/http", 1},
		{"proxy/handler.go", "net/http/httputil", 1},
		{"proxy/http1/server.go", "net/http", 1},
		{"proxy/handler_test.go", "net/http", 0},
		{"sidecar/admin.go", "net/http", 0},
		{"sidecar/pprof.go", "net/http/pprof", 0},
		{"discovery/consul/kv.go", "net/http/pprof", 1},
		{"sidecar/run.go", module + "/internal/testserver", 1},
		{"sidecar/run_test.go", module + "/internal/testserver", 0},
		{"internal/testload/load.go", module + "/internal/testserver", 0},
	} {
		if got := breaches(source{path: row.path, imports: []string{row.imports}}); len(got) != row.want {
			t.Errorf("%s importing %s: problems %q, want %d", row.path, row.imports, got, row.want)
		}
	}
}

// breaches returns the boundaries that one file crosses.
func breaches(s source) []string {
	if s.nested() {
		return nil
	}
	var problems []string
	for _, i := range s.imports {
		for kept, b := range boundaries {
			if i != kept && !strings.HasPrefix(i, kept+"/") {
				continue
			}
			if !b.allows(s) {
				problems = append(problems, fmt.Sprintf("%s: imports %s: %s", s.path, i, b.reason))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

func (b boundary) allows(s source) bool {
	if b.only != "" && !strings.HasPrefix(s.path, b.only) {
		return true
	}
	if b.tests && s.test() {
		return true
	}
	return slices.ContainsFunc(b.inside, func(place string) bool {
		return s.path == place || strings.HasSuffix(place, "/") && strings.HasPrefix(s.path, place)
	})
}

func TestTLSConfigIsBuiltInMTLS(t *testing.T) {
	for _, s := range tree(t) {
		if s.test() || s.nested() || s.support() || s.dir() == "mtls" {
			continue
		}
		for _, pos := range s.tls {
			t.Errorf("%s: makes a tls.Config; they are built in mtls/, where their defaults are reviewed", pos)
		}
	}
	const text = `package x
import "crypto/tls"
var a, b, c = tls.Config{}, &tls.Config{}, new(tls.Config)
func f(*tls.Config) *tls.Config
`
	if got := parse(t, "x.go", text).tls; len(got) != 3 {
		t.Errorf("found %q, want three", got)
	}
}

// TestOnePackageDoc asks that each package says once what it is: a newcomer reads
// that first. Folders that have only tests say it in a test file.
func TestOnePackageDoc(t *testing.T) {
	type folder struct{ docs, testDocs, files, tests []string }
	folders := map[string]*folder{}
	for _, s := range tree(t) {
		f := folders[s.dir()]
		if f == nil {
			f = &folder{}
			folders[s.dir()] = f
		}
		files, docs := &f.files, &f.docs
		if s.test() {
			files, docs = &f.tests, &f.testDocs
		}
		*files = append(*files, s.path)
		if s.doc == "" {
			continue
		}
		*docs = append(*docs, s.path)
		if !strings.HasPrefix(s.doc, "Package ") && !strings.HasPrefix(s.doc, "Command ") {
			t.Errorf("%s: package doc begins %.40q, want \"Package\" or \"Command\"", s.path, s.doc)
		}
	}
	for dir, f := range folders {
		docs := f.docs
		if len(f.files) == 0 {
			docs = f.testDocs
		}
		if len(docs) != 1 {
			t.Errorf("%s: %d package docs %q, want one", dir, len(docs), docs)
		}
	}
}

// tree parses every Go file of the repository.
func tree(t *testing.T) []source {
	t.Helper()
	const root = ".."
	var all []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden := strings.HasPrefix(entry.Name(), ".") && name != root; entry.IsDir() &&
			(hidden || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s := parse(t, name, nil)
		s.path = filepath.ToSlash(rel)
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found: this looks at the wrong folder", len(all))
	}
	return all
}

// parse reads one file; text is its content, or nil for what is on disk.
func parse(t *testing.T, name string, text any) source {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s := source{path: name, doc: file.Doc.Text()}
	for _, i := range file.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		s.imports = append(s.imports, imported)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if tlsConfig(n.Type) {
				s.tls = append(s.tls, set.Position(n.Pos()).String())
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "new" && len(n.Args) == 1 && tlsConfig(n.Args[0]) {
				s.tls = append(s.tls, set.Position(n.Pos()).String())
			}
		}
		return true
	})
	return s
}

// tlsConfig reports whether e is written tls.Config.
func tlsConfig(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Config" {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == "tls"
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}
