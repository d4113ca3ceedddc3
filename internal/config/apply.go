package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Apply is what must be so for the document to come into service in place of another.
type Apply struct {
	// MaxLost is the share of recent requests that may lose their route, as a percentage such as "1%"; empty = any.
	MaxLost string
}

var applyBlock = block[Apply]{
	form: "{max_lost: 1%}",
	fields: []field[Apply]{
		at("max_lost", func(a *Apply) *string { return &a.MaxLost }, percentage).optional(),
	},
}

// Allows tells whether so many of all recent requests may lose their route.
func (a *Apply) Allows(lost, all int) bool {
	most, err := strconv.ParseFloat(strings.TrimSuffix(a.MaxLost, "%"), 64)
	return err != nil || all == 0 || float64(lost)*100 <= most*float64(all)
}

// percentage is a number from 0 to 100 with its sign.
var percentage = kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		s, ok := d.scalar(n, "a percentage such as 1%", "!!str", "!!int", "!!float")
		if !ok {
			return
		}
		number, signed := strings.CutSuffix(s, "%")
		f, err := strconv.ParseFloat(number, 64)
		if !signed || err != nil || !(f >= 0 && f <= 100) || strings.ContainsAny(number, "_xXeEpP+-") {
			d.problem(n, "want a percentage from 0%% to 100%% (%s)", seen(n))
			return
		}
		*v = decimal(f) + "%"
	},
	encode: func(e *encoder, v *string) { e.text(*v) },
}
