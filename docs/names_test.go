package docs_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// table is a Markdown table.
type table struct {
	page   *page
	about  string // of the comment <!-- keys: ABOUT --> above it, with the colon and the space; else empty
	header []string
	rows   [][]string
}

var tables = regexp.MustCompile(`(?m)^(?:<!-- keys(.*?) -->\n)?((?:\|.*\|\n)+)`)

func (p *page) tables() (all []table) {
	for _, m := range tables.FindAllStringSubmatch(p.text, -1) {
		tb := table{page: p, about: m[1]}
		if strings.HasPrefix(m[0], "<!--") && m[1] == "" {
			tb.about = ": " // the document itself
		}
		for i, line := range strings.Split(strings.TrimSpace(m[2]), "\n") {
			row := strings.Split(strings.Trim(line, "|"), "|")
			for c := range row {
				row[c] = strings.TrimSpace(row[c])
			}
			switch i {
			case 0:
				tb.header = row
			case 1: // |---|
			default:
				tb.rows = append(tb.rows, row)
			}
		}
		all = append(all, tb)
	}
	return all
}

// tableOf finds the page's table whose first column is called so.
func tableOf(t *testing.T, page, first string) table {
	t.Helper()
	for _, tb := range pages(t)[page].tables() {
		if tb.header[0] == first {
			return tb
		}
	}
	t.Fatalf("%s: no table of a %s", page, first)
	return table{}
}

// codes are the words in backticks of a cell.
func codes(cell string) []string {
	var all []string
	for _, m := range inline.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

var inline = regexp.MustCompile("`([^`\n]+)`")

// Rows are as wide as their table's header.
func TestTables(t *testing.T) {
	for _, p := range pages(t) {
		for _, tb := range p.tables() {
			for _, row := range tb.rows {
				if len(row) != len(tb.header) {
					t.Errorf("%s: the row %q has %d cells, want %d", p.name, row, len(row), len(tb.header))
				}
			}
		}
	}
}

func TestVariables(t *testing.T) {
	known := map[string]bool{
		"GATEWAY_PORT":            true, // what Kubernetes injects
		"GATEWAY_UPSTREAM_TIMEOT": true, // wrong on purpose
	}
	// of status, explain, validate, push and rollback, curl
	flags := map[string]bool{
		"--json": true, "--id": true, "--listener": true, "--source": true, "--identity": true, "--wait": true,
		"--for": true, "--once": true, "--sort": true, "--show": true, "--every": true, "--running": true,
		"--files": true, "--note": true, "--dry-run": true, "--allow-empty": true, "--force": true, "--resolve": true,
		"--through-probation": true,
	}
	for _, v := range sidecar.Variables() {
		known[v.Name], flags["--"+v.Flag] = true, true
	}
	variable := regexp.MustCompile(`\bGATEWAY_[A-Z_]*[A-Z]\b`)
	command := regexp.MustCompile(`\bgateway (?:[a-z]+ )?(?:--?[a-z].*)`)
	given := regexp.MustCompile(` (--[a-z-]+)`)
	alone := regexp.MustCompile("`(--[a-z-]+)")
	for _, p := range pages(t) {
		for _, name := range variable.FindAllString(p.text, -1) {
			if !known[name] {
				t.Errorf("%s: there is no variable %s", p.name, name)
			}
		}
		named := alone.FindAllStringSubmatch(p.text, -1)
		for _, line := range command.FindAllString(p.text, -1) {
			named = append(named, given.FindAllStringSubmatch(line, -1)...)
		}
		for _, flag := range named {
			if !flags[flag[1]] {
				t.Errorf("%s: there is no flag %s", p.name, flag[1])
			}
		}
	}
}

func TestAccessLogFields(t *testing.T) {
	var got []string
	for _, row := range tableOf(t, "observability.md", "field").rows {
		got = append(got, codes(row[0])...)
	}
	if want := logfield.Names(); !slices.Equal(got, want) {
		t.Errorf("the table has the fields %q, want %q", got, want)
	}
}

func TestFlags(t *testing.T) {
	var got, want []string
	for _, row := range tableOf(t, "observability.md", "flag").rows {
		got = append(got, codes(row[0])...)
	}
	for f := telemetry.NoFlag + 1; f.String() != ""; f++ {
		want = append(want, f.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the table has the flags %q, want %q", got, want)
	}
}

// The classes of rejected revisions are those that the code says.
func TestRejections(t *testing.T) {
	text, err := os.ReadFile("../sidecar/rejection.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`\tclass\w+ += "([a-z]+)"`).FindAllStringSubmatch(string(text), -1) {
		want = append(want, m[1])
	}
	var got []string
	for _, row := range tableOf(t, "config-hot-reload.md", "class").rows {
		got = append(got, codes(row[0])...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if want = slices.Compact(want); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the table has the classes %q, want %q", got, want)
	}
}

// The parts of /status and /explain are those of their types.
func TestAdminAnswers(t *testing.T) {
	for column, of := range map[string]reflect.Type{"part": reflect.TypeFor[sidecar.Status](),
		"answer": reflect.TypeFor[route.Explanation]()} {
		var got, want []string
		for _, row := range tableOf(t, "operations.md", column).rows {
			got = append(got, codes(row[0])...)
		}
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want = append(want, name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the table of %v has %q, want %q", of, got, want)
		}
	}
}

// Admin routes are those of the port's own index.
func TestAdminRoutes(t *testing.T) {
	text, err := os.ReadFile("../sidecar/admin_routes.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	line := regexp.MustCompile(`(?m)^(?:const adminIndexPprof = ")?(GET|POST) +(/[a-z/]*) `)
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	for _, row := range tableOf(t, "operations.md", "request").rows {
		got = append(got, codes(row[0])...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the table has %q, want %q", got, want)
	}
}
