package config

import (
	"fmt"
	"strings"
	"testing"
)

// Each cluster with balance hash has a table, which is much larger than its text.
func TestHashClustersAreBounded(t *testing.T) {
	for n, fits := range map[int]bool{maxHashed: true, maxHashed + 1: false} {
		text := "clusters:\n"
		for i := range n {
			text += fmt.Sprintf("- {name: c%d, balance: hash, hash: {source_ip: true}, endpoints: ['a:1']}\n", i)
		}
		_, err := Decode([]byte(text), Standard())
		want := "clusters[100].balance: want at most 100 clusters with balance hash in a document"
		switch {
		case fits && err != nil:
			t.Errorf("%d clusters: %v", n, err)
		case !fits && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%d clusters: %v, want %q", n, err, want)
		}
	}
}
