package config

import "time"

// Keepalive is how many idle connections an endpoint keeps, and how long.
type Keepalive struct {
	MaxIdle     int // 0 = none
	IdleTimeout time.Duration
}

var keepaliveBlock = block[Keepalive]{
	form: "{max_idle: 128}",
	fields: []field[Keepalive]{
		at("max_idle", func(k *Keepalive) *int { return &k.MaxIdle }, count(0, 65535)),
		at("idle_timeout", func(k *Keepalive) *time.Duration { return &k.IdleTimeout }, duration(false)),
	},
}
