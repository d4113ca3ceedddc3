package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const before = `
listeners: [{name: web, address: ":80"}]
routes:
  - {name: a, match: {path_prefix: /a}, cluster: x}
  - {name: b, match: {path_prefix: /b}, cluster: x}
clusters: [{name: x, endpoints: ["a:1"]}, {name: y, endpoints: ["a:1"]}]
`
	for _, row := range []struct{ name, from, to, want string }{
		{"nothing", "", "", ""},
		{"a new route", "clusters:", "  - {name: checkout, cluster: y}\nclusters:", "route checkout added"},
		{"a route less", "  - {name: a, match: {path_prefix: /a}, cluster: x}\n", "", "route a removed"},
		{"endpoints", `x, endpoints: ["a:1"]`, `x, endpoints: ["a:2"]`, "cluster x: endpoints changed"},
		{"two keys", `x, endpoints: ["a:1"]`, `x, balance: random, limits: {max_requests: 5}, endpoints: ["a:1"]`,
			"cluster x: balance, limits changed"},
		{"a split", "/b}, cluster: x", "/b}, clusters: [{name: x}, {name: y}]", "route b: cluster, clusters changed"},
		{"another cluster", "/b}, cluster: x", "/b}, cluster: y", "route b: cluster changed"},
		{"an address", ":80", ":81", "listener web: address changed"},
		{"settings", "listeners:", "timeouts: {idle: 1s, read: 1s}\nlimits: {max_body: 1}\naccess_log: {sampling: " +
			"0}\nlisteners:",
			"timeouts: read, idle changed; limits: max_body changed; access_log: sampling changed"},
		{"edits of all routes", "listeners:",
			"request_headers: {set: {a: b}}\nresponse_headers: {remove: [a], add: {b: c}}\n" +
				"listeners:", "request_headers: set changed; response_headers: add, remove changed"},
		{"error pages", "listeners:", "error_pages: {4xx: {body: a}, 404: {body: b}}\nlisteners:",
			"error_pages: 404, 4xx changed"},
		{"order", "name: a, match: {path_prefix: /a}", "name: b, match: {path_prefix: /b}", "routes in another order"},
		{"a default that all routes share", "listeners:", "timeouts: {upstream: 1s}\nlisteners:",
			"route a: timeouts changed; route b: timeouts changed; timeouts: upstream changed"},
	} {
		after := strings.Replace(before, row.from, row.to, 1)
		if row.name == "order" {
			after = strings.NewReplacer("name: a, match: {path_prefix: /a}", row.to,
				"name: b, match: {path_prefix: /b}", row.from).Replace(before)
		}
		want := row.want
		got := strings.Join(Diff(decode(t, before, Base{}), decode(t, after, Base{})), "; ")
		if got != want {
			t.Errorf("%s: %q, want %q", row.name, got, want)
		}
	}
	if got := Diff(nil, decode(t, before, Base{})); len(got) != 1 || got[0] != "1 listener, 2 routes, 2 clusters" {
		t.Errorf("first revision: %q", got)
	}
}

// Whatever part of a document changes, a person is told.
func TestDiffKnowsEverySection(t *testing.T) {
	data, err := os.ReadFile("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, least := decode(t, string(data), Base{}), decode(t, "routes: []", Base{})
	for i := range reflect.TypeFor[Document]().NumField() {
		name := reflect.TypeFor[Document]().Field(i).Name
		if name == "Revision" {
			continue
		}
		other := *full
		reflect.ValueOf(&other).Elem().Field(i).Set(reflect.ValueOf(least).Elem().Field(i))
		if got := Diff(full, &other); len(got) == 0 {
			t.Errorf("%s was removed: no change is told", name)
		}
	}
}

func TestDiffIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("clusters:\n")
	for i := range 500 {
		fmt.Fprintf(&b, "  - {name: c%d, endpoints: ['a:1']}\n", i)
	}
	got := Diff(decode(t, "routes: []", Base{}), decode(t, b.String(), Base{}))
	if len(got) != maxChanges || got[maxChanges-1] != "and 451 more changes" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}
