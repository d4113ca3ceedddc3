package forward

import (
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// pick leases the endpoint of the next attempt. Where the catalog has not said yet which endpoints the cluster has, it
// waits for that: for as long as for a connection.
func (ex *exchange) pick() *route.LocalReply {
	err := ex.attempt.Pick(&ex.decision)
	if errors.Is(err, cluster.ErrNoEndpoint) {
		return ex.pickLater()
	}
	if err != nil {
		return noEndpoint(err)
	}
	return nil
}

// pickLater is pick once no endpoint was found. The request waits in front of the queue. Meanwhile its place in the
// queue is free for others. Where another cluster stands in by then, the new place is in front of that one.
func (ex *exchange) pickLater() *route.LocalReply {
	d := &ex.decision
	u := d.Upstream
	end := ex.now() + int64(u.Connect)
	for known := false; !known; {
		ex.place.Leave()
		var reply *route.LocalReply
		if known, reply = ex.awaitEndpoints(u, end); reply != nil {
			return reply
		}
		d.FailOver(u, &ex.req, ex.client)
		if reply = ex.enter(); reply != nil {
			return reply
		}
		if err := ex.attempt.Pick(d); !errors.Is(err, cluster.ErrNoEndpoint) {
			if err != nil {
				return noEndpoint(err)
			}
			return nil
		}
	}
	return route.ReplyNoCluster
}

// awaitEndpoints waits until end for the first endpoints of u, or of those that stand in for it. known tells that there
// was nothing to wait for.
func (ex *exchange) awaitEndpoints(u *route.Upstream, end int64) (known bool, reply *route.LocalReply) {
	within := Earlier(end, ex.decision.Deadline) - ex.now()
	began := ex.now()
	known, err := u.Cluster.Await(ex.engine.ctx, time.Duration(within), ex.whileWaiting())
	if !known {
		ex.record.waited(began, ex.now())
	}
	switch {
	case err == nil:
		return known, nil
	case errors.As(err, &reply):
		return false, reply
	case errors.Is(err, cluster.ErrUnknown) && Passed(ex.decision.Deadline, ex.now()):
		return false, replyDeadline
	case errors.Is(err, cluster.ErrUnknown), errors.Is(err, cluster.ErrOverflow):
		return false, noEndpoint(err)
	}
	return false, ReplyGone // the server cuts what is left
}
