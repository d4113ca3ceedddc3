package docdiff

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkFindTouched(b *testing.B) {
	var text strings.Builder
	text.WriteString("clusters: [{name: c, endpoints: [\"10.0.0.1:80\"]}]\nroutes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {name: r%d, match: {path_prefix: /r%d}, cluster: c}\n", i, i)
	}
	before := decode(b, text.String())
	next := decode(b, strings.Replace(text.String(), "/r5000", "/other", 1))
	b.ReportAllocs()
	for b.Loop() {
		FindTouched(before, next)
	}
}
