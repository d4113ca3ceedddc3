package config

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// PassiveHealth is when an endpoint that fails is left out for a while.
type PassiveHealth struct {
	ConsecutiveFailures int // 0 = never ejected
	BaseEjection        time.Duration
	MaxEjection         time.Duration
	MaxEjectedPercent   int
	Statuses            []string // of responses that count as failures, sorted: such as 429, or 5xx for a class
}

// StatusFails tells whether a response with that status counts as a failure.
func (p *PassiveHealth) StatusFails(status int) bool {
	return slices.ContainsFunc(p.Statuses, func(s string) bool { return matchesStatus(s, status) })
}

// standardFailures are the statuses that speak against an endpoint by themselves.
var standardFailures = []string{"5xx"}

// StandardStatuses tells whether the statuses are those of a document that does not name them.
func (p *PassiveHealth) StandardStatuses() bool { return slices.Equal(p.Statuses, standardFailures) }

// standardPassiveHealth is on by default. An endpoint that fails five times in a row rests, and as long as others are
// fine nobody waits for it.
func standardPassiveHealth() PassiveHealth {
	return PassiveHealth{
		ConsecutiveFailures: 5,
		BaseEjection:        30 * time.Second,
		MaxEjection:         300 * time.Second,
		MaxEjectedPercent:   50,
		Statuses:            standardFailures,
	}
}

var passiveHealthBlock = block[PassiveHealth]{
	form: "{consecutive_failures: 5}",
	fields: []field[PassiveHealth]{
		at("consecutive_failures", func(p *PassiveHealth) *int { return &p.ConsecutiveFailures }, count(0, 1000)),
		at("base_ejection", func(p *PassiveHealth) *time.Duration { return &p.BaseEjection }, duration(false)),
		at("max_ejection", func(p *PassiveHealth) *time.Duration { return &p.MaxEjection }, duration(false)),
		at("max_ejected_percent", func(p *PassiveHealth) *int { return &p.MaxEjectedPercent }, count(0, 100)),
		at("statuses", func(p *PassiveHealth) *[]string { return &p.Statuses }, failureStatuses).
			when(func(p *PassiveHealth) bool { return !p.StandardStatuses() }),
	},
	end: func(d *decoder, n *yaml.Node, p *PassiveHealth) {
		if p.MaxEjection < p.BaseEjection {
			if !has(n, "max_ejection") {
				p.MaxEjection = p.BaseEjection
				return
			}
			d.problemIn(n, "max_ejection", "want at least base_ejection (seen %s, base_ejection is %s)", p.MaxEjection,
				p.BaseEjection)
		}
	},
}

// failureStatuses is a list without order. An empty one is of no status.
var failureStatuses = listOf(kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		const want = "a status from 400 to 599, or a class such as 5xx"
		switch s, ok := d.scalar(n, want, "!!str", "!!int"); {
		case !ok:
		case !isStatusSet(s, 400, 599):
			d.problem(n, "want %s (%s)", want, seen(n))
		default:
			*v = s
		}
	},
	encode: func(e *encoder, v *string) { e.text(*v) },
}).then(func(d *decoder, n *yaml.Node, v *[]string) {
	d.onlyOnce(n, *v)
	slices.Sort(*v)
})
