package route

import (
	"slices"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// RetryPolicy is what a route says about further attempts. The zero value never makes one. Immutable.
type RetryPolicy struct {
	Attempts                             int // attempts in all
	Connect, Reset, Timeout, Unavailable bool
	PerTry                               time.Duration // longest wait of one attempt for the response head; 0 none
	// Failover: the route says nothing about retries. A request for which no connection could be made goes to
	// endpoints not tried yet, without backoff.
	Failover bool
	// Replays: requests that were sent already may be sent again, so their bodies are kept.
	Replays bool

	statuses []int
}

// failovers bounds the endpoints that a request is tried on where its route says nothing about retries. It is what
// [cluster.Tried] remembers, and what L4 does.
const failovers = 4

func compileRetry(c *config.Retries) RetryPolicy {
	if len(c.On) == 0 { // no harm can come of a connection that could not be made
		return RetryPolicy{Attempts: failovers, Connect: true, Failover: true}
	}
	p := RetryPolicy{Attempts: c.Attempts, PerTry: c.PerTryTimeout}
	for _, on := range c.On {
		switch on {
		case config.RetryConnectFailure:
			p.Connect = true
		case config.RetryReset:
			p.Reset = true
		case config.RetryTimeout:
			p.Timeout = true
		case config.RetryUnavailable:
			p.Unavailable = true
		default:
			if n, err := strconv.Atoi(on); err == nil {
				p.statuses = append(p.statuses, n)
			}
		}
	}
	p.Replays = p.Attempts > 1 && (p.Reset || p.Timeout || p.Unavailable || len(p.statuses) > 0)
	return p
}

// OnStatus tells whether a response with that status is worth another attempt.
func (p *RetryPolicy) OnStatus(status int) bool { return slices.Contains(p.statuses, status) }
