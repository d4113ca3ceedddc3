package config

import "testing"

// Two matches are the same only where they are, whatever stands in their values.
func TestMatchesThatDiffer(t *testing.T) {
	decode(t, `
clusters: [{name: a, endpoints: ["a:1"]}]
routes:
- {name: r1, cluster: a, match: {path: /a, query: {a: "1", b: "2"}}}
- {name: r2, cluster: a, match: {path: /a, query: {a: "1\n?b:exact:2"}}}
- {name: r3, cluster: a, match: {path: /a, query: {a: "1\"\n?\"b\"exact\"2"}}}
- {name: r5, cluster: a, match: {path: /a, headers: {a: {prefix: b}}}}
- {name: r6, cluster: a, match: {path: /a, headers: {a: {prefix: b, invert: true}}}}
- {name: r7, cluster: a, match: {path: /a, headers: {a: {prefix: b, ignore_case: true}}}}
- {name: r8, cluster: a, match: {path: /a, headers: {a: b}}}
- {name: r9, cluster: a, match: {path_regex: /a}}
- {name: r10, cluster: a, match: {path_prefix: /a}}
- {name: r11, cluster: a, match: {path: /a/}}
- {name: r12, cluster: a, match: {path: /a, source: [10.0.0.0/8]}}
- {name: r13, cluster: a, match: {path: /a, source: [10.0.0.0/9]}}
- {name: r14, cluster: a, match: {path_regex: "/a  GET"}}
- {name: r15, cluster: a, match: {path_regex: /a, methods: [GET]}}
`, Base{})
}
