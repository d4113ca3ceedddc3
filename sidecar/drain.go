package sidecar

import (
	"context"
	"sync"
	"time"
)

// shutDown is the ordered end: not ready, a delay in which balancers notice, no new connections, what is in flight
// finishes, the rest is cut. ctx outlives the end. stop ends the source. frozen tells that no revision comes into
// service after it. Endpoints are followed to the end.
func (s *Sidecar) shutDown(ctx context.Context, stop func(), frozen <-chan error) {
	s.draining.Store(true)
	if s.registrar != nil {
		s.registrar.Leave()
	}
	s.proxy.Leave()
	s.logger.Info("draining", "delay", s.boot.DrainDelay.String(), "timeout", s.boot.DrainTimeout.String())
	begun := time.Now()
	stop()
	if err := <-frozen; err != nil { // the end was asked for before anything could serve
		s.logger.Warn("stopped before anything served", "error", err)
	}

	ctx, cancel := context.WithTimeout(ctx, s.boot.DrainTimeout)
	defer cancel()
	delay := time.NewTimer(s.boot.DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
	var planes sync.WaitGroup
	var requests, connections int
	planes.Go(func() { requests = s.proxy.Drain(ctx) })
	planes.Go(func() { connections = s.l4.Drain(ctx) })
	planes.Wait()
	s.logger.Info("drained", "cut", requests+connections, "took", time.Since(begun).Round(time.Millisecond).String())
}
