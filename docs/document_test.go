package docs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// base is that of a gateway with an app, as the pages have it.
func base(t *testing.T) config.Base {
	t.Helper()
	b, err := sidecar.Load(sidecar.Sources{Environ: []string{"GATEWAY_APP=127.0.0.1:3000"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Base()
}

func TestDocuments(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.kind != "document" {
				continue
			}
			found++
			if _, err := config.Decode([]byte(b.text), base(t)); err != nil {
				t.Errorf("%s:%d: %v", p.name, p.line(b.start), err)
			}
		}
	}
	if found == 0 {
		t.Error("no documents")
	}
}

// keysOf is every key of documents, such as routes[].match.host: those of the
// document that has every key there is.
func keysOf(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	walk(full(t), "", keys)
	return keys
}

func full(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../internal/config/testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// freeNames are mappings whose keys are the user's, or told of elsewhere.
var freeNames = []string{
	"routes[].match.headers", "routes[].match.query", "routes[].respond.headers",
	"routes[].request_headers.set", "routes[].request_headers.add",
	"routes[].response_headers.set", "routes[].response_headers.add",
	"error_pages",                         // whose keys are statuses
	"request_headers", "response_headers", // these have the keys of those of a route
}

func walk(v any, path string, keys map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if slices.Contains(freeNames, path) {
			return
		}
		for key, value := range v {
			at := strings.TrimPrefix(path+"."+key, ".")
			keys[at] = true
			walk(value, at, keys)
		}
	case []any:
		for _, item := range v {
			walk(item, path+"[]", keys)
		}
	}
}

// keyRow is what a table says of a key.
type keyRow struct {
	page             string
	standard, bounds string
}

// documented are the keys that tables tell of.
func documented(t *testing.T) map[string]keyRow {
	t.Helper()
	all := map[string]keyRow{}
	for _, p := range pages(t) {
		for _, tb := range p.tables() {
			if tb.about == "" {
				continue
			}
			for _, row := range tb.rows {
				path := strings.TrimPrefix(strings.TrimPrefix(tb.about, ": ")+"."+strings.Trim(row[0], "`"), ".")
				if _, twice := all[path]; twice {
					t.Errorf("%s: %s is told of twice", p.name, path)
				}
				r := keyRow{page: p.name}
				for i, column := range tb.header {
					switch column {
					case "default":
						r.standard = row[i]
					case "bounds":
						r.bounds = row[i]
					}
				}
				all[path] = r
			}
		}
	}
	return all
}

// Every key is told of, and every key that is told of is one.
func TestKeys(t *testing.T) {
	want, got := keysOf(t), documented(t)
	for path := range want {
		if _, ok := got[path]; !ok {
			t.Errorf("no table tells of the key %s", path)
		}
	}
	for path, row := range got {
		if !want[path] {
			t.Errorf("%s: there is no key %s", row.page, path)
		}
	}
}

// smallest is a document that says as little as it can, so that the effective one
// shows the defaults.
const smallest = `
listeners:
  - {name: l, address: ":1", tls: {certificates: [{cert_file: c, key_file: k}]}}
  - {name: t, address: ":2", protocol: tcp, cluster: c}
routes:
  - {name: r, listeners: [l], clusters: [{name: c}, {name: d}], retries: {}, rate_limit: {rate: 3}}
  - {name: s, match: {path: /s}, redirect: {scheme: https}}
  - {name: t, match: {path: /t}, respond: {status: 200}}
clusters:
  - {name: c, endpoints: ["a:1"], tls: {}}
  - {name: d, consul: {service: s}, health_check: {type: http}}
`

// Defaults in tables are those of the code, wherever the effective document shows them.
func TestDefaults(t *testing.T) {
	d, err := config.Decode([]byte(smallest), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(d.JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, path := range slices.Sorted(maps.Keys(documented(t))) {
		row := documented(t)[path]
		said := codes(row.standard)
		if len(said) != 1 || row.standard != "`"+said[0]+"`" {
			continue // in words
		}
		value, ok := at(doc, strings.Split(path, "."))
		if !ok {
			continue
		}
		checked++
		if want := shown(value); !sameValue(said[0], want) && !refers(doc, said[0], want) {
			t.Errorf("%s: the default of %s is told as %s, want %s", row.page, path, said[0], want)
		}
	}
	if checked < 25 {
		t.Errorf("%d defaults checked, want more", checked)
	}
}

// at finds a path's first value.
func at(v any, path []string) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	key, isList := strings.CutSuffix(path[0], "[]")
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	next, ok := m[key]
	if !ok {
		return nil, false
	}
	if !isList {
		return at(next, path[1:])
	}
	list, _ := next.([]any)
	for _, item := range list {
		if found, ok := at(item, path[1:]); ok {
			return found, true
		}
	}
	return nil, false
}

func shown(v any) string {
	if list, ok := v.([]any); ok {
		words := make([]string, len(list))
		for i := range list {
			words[i] = shown(list[i])
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// sameValue also knows durations that are written in two ways.
func sameValue(a, b string) bool {
	da, errA := time.ParseDuration(a)
	db, errB := time.ParseDuration(b)
	return a == b || errA == nil && errB == nil && da == db
}

// refers tells whether a default is that of another key, which has this value.
func refers(doc map[string]any, key, value string) bool {
	other, ok := at(doc, strings.Split(key, "."))
	return ok && shown(other) == value
}

// Bounds in tables are those of the code: a value just outside is refused with them.
func TestBounds(t *testing.T) {
	bounds := regexp.MustCompile(`^([0-9.]+) to ([0-9.]+)$`)
	checked := 0
	for path, row := range documented(t) {
		m := bounds.FindStringSubmatch(row.bounds)
		if m == nil {
			continue
		}
		checked++
		most, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		doc := full(t)
		if !set(doc, strings.Split(path, "."), most+1) {
			t.Errorf("%s: no %s to set", row.page, path)
			continue
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = config.Decode(text, base(t))
		if want := "from " + m[1] + " to " + m[2]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s over its bounds: %v, want %q", row.page, path, err, want)
		}
	}
	if checked < 8 {
		t.Errorf("%d bounds checked, want more", checked)
	}
}

// set sets a path's first value.
func set(v any, path []string, to any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	key, isList := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		if _, ok := m[key]; ok {
			m[key] = to
		}
		return ok
	}
	if !isList {
		return set(m[key], path[1:], to)
	}
	list, _ := m[key].([]any)
	return slices.ContainsFunc(list, func(item any) bool {
		_, has := at(item, path[1:])
		return has && set(item, path[1:], to)
	})
}
