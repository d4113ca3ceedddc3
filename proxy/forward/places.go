package forward

import "github.com/fabian4/gateway-homebrew-go/internal/cluster"

// QueuePlace is a request's place in the queue in front of its cluster. The zero value is none. It belongs to whoever
// carries the request.
type QueuePlace struct {
	queue *cluster.Queue // nil: no place is taken
}

// TryTake takes a place in q if one is free, unless it has one. A nil queue has always one.
func (p *QueuePlace) TryTake(q *cluster.Queue) bool {
	if q == nil || p.queue != nil {
		return true
	}
	if !q.TryEnter() {
		return false
	}
	p.queue = q
	return true
}

// Leave gives the place back, if there is one.
func (p *QueuePlace) Leave() {
	if p.queue != nil {
		p.queue.Leave()
		p.queue = nil
	}
}

// retryPlace is a request's place in the retry budget of its cluster. The zero value is none.
type retryPlace struct {
	budget *cluster.RetryBudget // nil: no place is taken
}

// take takes a place for another attempt, in the stead of the one it has, if the budget of c allows it.
func (p *retryPlace) take(b *cluster.RetryBudget, c *cluster.Cluster) bool {
	p.give()
	if !b.Take(c.InFlight(), c.Config().Limits.RetryBudget) {
		c.Telemetry().Overflow.Inc()
		return false
	}
	p.budget = b
	return true
}

// give gives the place back, if there is one: the retry has failed, or has its response, whose body may last for hours.
func (p *retryPlace) give() {
	if p.budget != nil {
		p.budget.Give()
		p.budget = nil
	}
}
