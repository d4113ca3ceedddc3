package config

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// Standard is the base of a gateway of which no variable is set: the defaults
// of the contract, and nothing else. The bootstrap starts from it.
func Standard() Base {
	return Base{
		Timeouts: Timeouts{
			Read:     15 * time.Second,
			Write:    30 * time.Second,
			Upstream: 10 * time.Second,
			Connect:  2 * time.Second,
			Idle:     60 * time.Second,
			TCPIdle:  5 * time.Minute,
		},
		Keepalive: Keepalive{MaxIdle: 128, IdleTimeout: 90 * time.Second},
		AccessLog: AccessLog{Enabled: true, Sampling: 1, Fields: logfield.Names()},
	}
}
