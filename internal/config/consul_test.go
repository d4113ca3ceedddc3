package config

import (
	"slices"
	"testing"
)

// Equal sets of tags are one query, however they are written.
func TestTags(t *testing.T) {
	for _, row := range []struct{ text, query, written string }{
		{"tag: v1", "consul service api, tag v1", `{"service":"api","tag":"v1","empty_hold":"30s"}`},
		{"tags: [v1]", "consul service api, tag v1", `{"service":"api","tag":"v1","empty_hold":"30s"}`},
		{"tag: \"\"", "consul service api", `{"service":"api","empty_hold":"30s"}`},
		{"tags: [v1, eu, \"a, b\"]", "consul service api, tags a, b, eu, v1",
			`{"service":"api","tags":["a, b","eu","v1"],"empty_hold":"30s"}`},
		{"tags: [eu, \"a, b\", v1]", "consul service api, tags a, b, eu, v1",
			`{"service":"api","tags":["a, b","eu","v1"],"empty_hold":"30s"}`},
		{"filter: \"a == b \\n\", port: http, datacenter: dc2",
			"consul service api, filter a == b, port http, datacenter dc2",
			`{"service":"api","filter":"a == b","port":"http","datacenter":"dc2","empty_hold":"30s"}`},
	} {
		doc := decode(t, "clusters: [{name: c, consul: {service: api, "+row.text+"}}]", Base{})
		c := &doc.Clusters[0].Consul
		if got := c.String(); got != row.query {
			t.Errorf("%s: query = %q, want %q", row.text, got, row.query)
		}
		var e encoder
		consulBlock.encode(&e, c)
		if got := string(e.out); got != row.written {
			t.Errorf("%s: written as %s, want %s", row.text, got, row.written)
		}
		same(t, doc, Base{})
	}
	if list := TagsOf("v1", "eu").List(); !slices.Equal(list, []string{"eu", "v1"}) || Tags("").List() != nil {
		t.Errorf("List() = %q", list)
	}
}
