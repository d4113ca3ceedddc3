package config

import (
	"time"

	"go.yaml.in/yaml/v4"
)

// PassiveHealth is when an endpoint that fails is left out for a while.
type PassiveHealth struct {
	ConsecutiveFailures int // 0 = never ejected
	BaseEjection        time.Duration
	MaxEjection         time.Duration
	MaxEjectedPercent   int
}

// standardPassiveHealth is on by default: an endpoint that fails five times in a
// row rests, and as long as others are fine nobody waits for it.
func standardPassiveHealth() PassiveHealth {
	return PassiveHealth{
		ConsecutiveFailures: 5,
		BaseEjection:        30 * time.Second,
		MaxEjection:         300 * time.Second,
		MaxEjectedPercent:   50,
	}
}

var passiveHealthBlock = block[PassiveHealth]{
	form: "{consecutive_failures: 5}",
	fields: []field[PassiveHealth]{
		at("consecutive_failures", func(p *PassiveHealth) *int { return &p.ConsecutiveFailures }, count(0, 1000)),
		at("base_ejection", func(p *PassiveHealth) *time.Duration { return &p.BaseEjection }, duration(false)),
		at("max_ejection", func(p *PassiveHealth) *time.Duration { return &p.MaxEjection }, duration(false)),
		at("max_ejected_percent", func(p *PassiveHealth) *int { return &p.MaxEjectedPercent }, count(0, 100)),
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
