package config

// Limits bound what one message may cost.
type Limits struct {
	MaxBody int64 // bytes of a request body; 0 = no limit
}

var limitsBlock = block[Limits]{
	form: "{max_body: 10MiB}",
	fields: []field[Limits]{
		at("max_body", func(l *Limits) *int64 { return &l.MaxBody }, size),
	},
}
