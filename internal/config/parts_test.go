package config

import (
	"strings"
	"testing"
)

func TestDecodeParts(t *testing.T) {
	doc, err := DecodeParts([]Part{
		{"20-b", []byte("routes: [{name: b, match: {path_prefix: /b}, cluster: a}]\ntimeouts: {read: 2s}")},
		{"10-a", []byte("routes: [{name: a, match: {path_prefix: /a}, cluster: a}]\ntimeouts: {write: 3s}")},
		{"30-c", []byte(`{"clusters": [{"name": "a", "endpoints": ["a:1"]}], "limits": {"max_body": "1KiB"}}`)},
	}, bootstrap())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(routeNames(doc), " "); got != "a b app" {
		t.Errorf("routes = %s, want them in the order of the parts' names, the bootstrap's last", got)
	}
	if doc.Timeouts.Read.Seconds() != 2 || doc.Timeouts.Write.Seconds() != 3 || doc.Limits.MaxBody != 1024 {
		t.Errorf("timeouts = %+v, limits = %+v", doc.Timeouts, doc.Limits)
	}
	same(t, doc, bootstrap())
}

func TestBadParts(t *testing.T) {
	for _, row := range []struct {
		name, a, b, want string
	}{
		{"a name twice", "clusters: [{name: a, endpoints: ['a:1']}]", "clusters:\n  - {name: a, endpoints: ['a:1']}",
			"b:2:12: clusters[0].name: the name a is taken (a:1:12)"},
		{"an address twice", "listeners: [{name: a, address: ':1'}]", "listeners: [{name: b, address: '0.0.0.0:1'}]",
			"b:1:32: listeners[0].address: the address 0.0.0.0:1 is taken (a:1:13)"},
		{"a setting twice", "timeouts: {read: 1s, write: 1s}", "timeouts: {idle: 1s, read: 1s}",
			"b:1:22: timeouts: read is also set by another part (a:1:12)"},
		{"a problem each", "timeouts: {read: 0s}", "routes: [{name: a, cluster: a}]\nx: 1",
			"a:1:18: timeouts.read: want more than 0: it would wait without end (seen \"0s\")\n" +
				"b:1:29: routes[0].cluster: cluster a is not defined (there is none)\n" +
				"b:2:1: document: key x is not known (known: listeners, routes, clusters, timeouts, limits, " +
				"access_log, " +
				"apply, request_headers, response_headers, error_pages)"},
		{"no text", "", "x: [", "a:1:1: document: is empty\nb:1:5: document: not YAML (while parsing a flow node: " +
			"did not find expected node content)"},
		{"a pointer", `{"v": 1, "withdrawn": true}`, "routes: []",
			"a:1:1: document: is a pointer to a pushed revision, which only a single key in Consul can be: write the " +
				"document itself here"},
	} {
		_, err := DecodeParts([]Part{{"a", []byte(row.a)}, {"b", []byte(row.b)}}, Base{})
		if err == nil || err.Error() != row.want {
			t.Errorf("%s:\n%v\nwant\n%s", row.name, err, row.want)
		}
	}
	if _, err := DecodeParts(nil, Base{}); err == nil {
		t.Error("no part at all is no document")
	}
}
