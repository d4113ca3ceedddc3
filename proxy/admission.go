package proxy

import "github.com/fabian4/gateway-homebrew-go/internal/cluster"

// admission is what a request has been given on its way to an endpoint, and what must not be done twice for it. An exchange that takes over from a
// relay takes this over.
type admission struct {
	admitted bool              // the rate limit of the route has let it in, and the cluster is drawn
	inside   bool              // it has a place in the queue in front of the cluster
	picked   *cluster.Endpoint // leased, and not tried yet
}

// admit asks the route's rate limit and draws the cluster.
func (ex *exchange) admit() *fault {
	if ex.admitted {
		return nil
	}
	if l := ex.rt.rate; l != nil {
		if ex.retryIn = l.take(ex); ex.retryIn > 0 {
			return faultRateLimited
		}
	}
	if ex.up = ex.rt.choose(); ex.up == nil {
		return faultNoCluster
	}
	ex.admitted = true
	return nil
}

// pick leases the endpoint of the next try.
func (ex *exchange) pick() error {
	ep := ex.picked
	ex.picked = nil
	if ep == nil {
		var err error
		if ep, err = ex.up.cluster.Pick(&ex.tried); err != nil {
			return err
		}
	}
	ex.ep = ep
	return nil
}

// leave gives back what the request does not need any more.
func (ex *exchange) leave() {
	if ex.picked != nil {
		ex.picked.Done(cluster.Ignored)
		ex.picked = nil
	}
	if ex.inside {
		ex.inside = false
		ex.up.queue.leave()
	}
}
