package config

import "time"

// Timeouts are the revision's, for all listeners and routes that say nothing else.
type Timeouts struct {
	Read           time.Duration // whole request head, and the longest silence inside a request body
	Write          time.Duration // longest stall of one write to the client
	Upstream       time.Duration // request sent -> response head; 0 = none
	Connect        time.Duration // TCP (and TLS) connect to an endpoint
	Idle           time.Duration // keep-alive connection without a request
	TCPIdle        time.Duration // L4 and upgraded connections: no byte either way; 0 = none
	TCPMaxDuration time.Duration // L4: whole life of a connection; 0 = none
}

var timeoutsBlock = block[Timeouts]{
	form: "{upstream: 5s}",
	fields: []field[Timeouts]{
		at("read", func(t *Timeouts) *time.Duration { return &t.Read }, duration(false)),
		at("write", func(t *Timeouts) *time.Duration { return &t.Write }, duration(false)),
		at("upstream", func(t *Timeouts) *time.Duration { return &t.Upstream }, duration(true)),
		at("connect", func(t *Timeouts) *time.Duration { return &t.Connect }, duration(false)),
		at("idle", func(t *Timeouts) *time.Duration { return &t.Idle }, duration(false)),
		at("tcp_idle", func(t *Timeouts) *time.Duration { return &t.TCPIdle }, duration(true)),
		at("tcp_max_duration", func(t *Timeouts) *time.Duration { return &t.TCPMaxDuration }, duration(true)),
	},
}
