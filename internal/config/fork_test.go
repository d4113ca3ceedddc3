package config

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// manyRoutes are enough routes for two goroutines, the last of which are extra.
func manyRoutes(extra ...string) []byte {
	var b strings.Builder
	b.WriteString("clusters:\n- {name: c, endpoints: [\"10.0.0.1:80\"]}\nroutes:\n")
	for i := range 2*leastForked - len(extra) {
		fmt.Fprintf(&b, "- {name: r%d, match: {path: /p%d, headers: {x: \"%d\"}}, cluster: c}\n", i, i, i)
	}
	for _, route := range extra {
		b.WriteString("- " + route + "\n")
	}
	return []byte(b.String())
}

// Routes that are read beside each other are what they are when they are read one after the other. So is what is wrong
// with them.
func TestRoutesInForks(t *testing.T) {
	patterns := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("{name: x%d, match: {path_regex: /x%d}, cluster: c}", i, i))
		}
		return all
	}
	steps := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("{name: x%d, match: {path_regex: '/x%d(abcd){200}'}, cluster: c}", i, i))
		}
		return all
	}
	for _, row := range []struct {
		name   string
		text   []byte
		forked bool
	}{
		{"plain", manyRoutes(), true},
		{"patterns", manyRoutes(patterns(20)...), true},
		{"a name that is taken", manyRoutes("{name: r3, match: {path: /y}, cluster: c}"), true},
		{"a match that is taken", manyRoutes("{name: y, match: {path: /p3, headers: {x: \"3\"}}, cluster: c}"), true},
		{"a cluster that its name defines", manyRoutes("{name: y, match: {path: /y}, cluster: \"consul:y\"}"), false},
		{"an unknown key", manyRoutes("{name: y, match: {path: /y}, cluster: c, wrong: 1}"), false},
		{"an unknown cluster", manyRoutes("{name: y, match: {path: /y}, cluster: nobody}"), false},
		{"no mapping", manyRoutes("y"), false},
		{"too many steps", manyRoutes(steps(130)...), false},
		{"too few", []byte("clusters:\n- {name: c, endpoints: [\"10.0.0.1:80\"]}\nroutes:\n- {name: r, cluster: c}\n"),
			false},
	} {
		t.Run(row.name, func(t *testing.T) {
			want, wantErr := Decode(row.text, bootstrap())
			d, _, err := decodeParts([]Part{{Data: row.text}}, bootstrap(), 3, nil)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%v, want %v", err, wantErr)
			}
			if err == nil && !bytes.Equal(d.doc.canonical(), want.canonical()) {
				t.Error("another document")
			}
			one, places := newDecoder([]Part{{Data: row.text}}, bootstrap()), make([]Route, 4*leastForked)
			root := one.parse(row.text)
			one.read([]source{{root: root}})
			one.processors, one.problems, one.total = 2, nil, 0
			one.regexes, one.regexSteps = 0, 0
			delete(one.names, nameKey{"clusters", "consul:y"})
			if got := decodeRoutes(one, valueOf(root, "routes").Content, places); got != row.forked {
				t.Errorf("read in forks: %v, want %v", got, row.forked)
			}
			if !row.forked && places[0].Name != "" {
				t.Error("places have values that were given up")
			}
		})
	}
}
