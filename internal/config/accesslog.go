package config

import (
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// AccessLog is what is written about each request.
type AccessLog struct {
	Enabled  bool
	Sampling float64  // share of successful requests, 0 to 1; 4xx and 5xx are always written
	Fields   []string // in the order wanted; never empty
	// Slow is how long a request lasts that is always written, and kept among the failures; 0 = no time makes it slow.
	Slow time.Duration
}

var accessLogBlock = block[AccessLog]{
	form: "{enabled: false}",
	fields: []field[AccessLog]{
		at("enabled", func(a *AccessLog) *bool { return &a.Enabled }, flag),
		at("sampling", func(a *AccessLog) *float64 { return &a.Sampling }, share(0, 1)),
		at("fields", func(a *AccessLog) *[]string { return &a.Fields },
			listOf(word(logfield.Names()...)).then(checkLogFields)),
		at("slow", func(a *AccessLog) *time.Duration { return &a.Slow }, duration(true)),
	},
}

func checkLogFields(d *decoder, n *yaml.Node, fields *[]string) {
	if len(*fields) == 0 {
		d.problem(n, "want at least one field, leave fields out for all (seen an empty list)")
	}
	d.onlyOnce(n, *fields)
}

// onlyOnce refuses a word that a list has twice.
func (d *decoder) onlyOnce(n *yaml.Node, words []string) {
	first := make(map[string]bool, len(words))
	for i, w := range words {
		if first[w] {
			d.enterItem(i)
			d.problem(n.Content[i], "%s is there twice", w)
			d.leave()
		}
		first[w] = true
	}
}
