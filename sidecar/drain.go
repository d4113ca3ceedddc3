package sidecar

import (
	"context"
	"time"
)

// shutDown is the ordered end: not ready, a delay in which balancers notice, no new connections, what is in flight finishes, the rest is
// cut. stop ends the source; frozen tells that no revision comes into service after it. Endpoints are followed to the end.
func (s *Sidecar) shutDown(stop func(), frozen <-chan error) {
	s.draining.Store(true)
	s.logger.Info("draining", "delay", s.boot.DrainDelay.String(), "timeout", s.boot.DrainTimeout.String())
	begun := time.Now()
	stop()
	<-frozen

	ctx, cancel := context.WithTimeout(context.Background(), s.boot.DrainTimeout)
	defer cancel()
	delay := time.NewTimer(s.boot.DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
	cut := s.proxy.Drain(ctx)
	s.logger.Info("drained", "cut", cut, "took", time.Since(begun).Round(time.Millisecond).String())
}
