package config

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// large is the document that the promise about speed is of. Under the race detector it is a fifth of it. That is still
// parsed in as many pieces, and the detector sees the same accesses in each item.
func large() []byte {
	clusters, routes := 1000, 10_000
	if underRace {
		clusters, routes = clusters/5, routes/5
	}
	var b strings.Builder
	b.WriteString("clusters:\n")
	for i := range clusters {
		fmt.Fprintf(&b, "  - name: cluster-%d\n    endpoints: [{address: \"10.0.%d.%d:8080\", weight: 3}, "+
			"\"10.1.%d.%d:8080\"]\n    balance: wrr\n", i, i/250, i%250, i/250, i%250)
	}
	b.WriteString("routes:\n")
	for i := range routes {
		fmt.Fprintf(&b, "  - name: route-%d\n    match: {host: host-%d.example.com, path_prefix: /api/v%d, methods: "+
			"[GET]}\n    cluster: cluster-%d\n    timeouts: {upstream: 5s}\n", i, i%500, i, i%clusters)
	}
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	data, base := large(), bootstrap()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data, base); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse is the part of BenchmarkDecode that the YAML library takes.
func BenchmarkParse(b *testing.B) {
	data := large()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var n yaml.Node
		if err := yaml.Load(data, &n); err != nil {
			b.Fatal(err)
		}
	}
}
