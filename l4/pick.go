package l4

import (
	"context"
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// first leases the first endpoint to try. Where the catalog has not said yet which endpoints the cluster has, it waits
// for that: for as long as for a connection. The flag is that to stop with where there is none.
func (c *conn) first(ctx context.Context, tried *cluster.Tried) (*cluster.Endpoint, telemetry.Flag) {
	a := &c.attempt
	u := a.to // it, or what stands in for it by then
	end := time.Now().Add(u.connect)
	for known := false; ; {
		tried.Key = c.hashKey()
		ep, err := a.to.cluster.Pick(tried)
		switch {
		case err == nil:
			return ep, telemetry.NoFlag
		case known || !errors.Is(err, cluster.ErrNoEndpoint):
			return nil, noEndpoint(err)
		}
		if known, err = u.cluster.Await(ctx, time.Until(end), c.whileWaiting); err != nil {
			c.cause = err
			return nil, noneCame(ctx, err)
		}
		a.to = u.serving()
	}
}

// whileWaiting is polled while the connection waits for endpoints. A client that has only ended its side may still want
// what comes.
func (c *conn) whileWaiting() error {
	if brokeOff(raw(c.socket), &c.back) {
		return errClientGone
	}
	return nil
}

var errClientGone = errors.New("client went away")

// noneCame is the flag for what Await returns.
func noneCame(ctx context.Context, err error) telemetry.Flag {
	switch {
	case errors.Is(err, errClientGone):
		return telemetry.DC
	case ctx.Err() != nil: // stopped, or the server's own has ended
		return telemetry.LR
	}
	return noEndpoint(err)
}
