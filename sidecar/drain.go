package sidecar

import (
	"context"
	"sync"
	"time"
)

// shutDown is the ordered end: not ready, a delay in which balancers notice, no new connections, what is in flight finishes, the rest is
// cut. stop ends the source and the applying goroutine, which control waits for.
func (s *Sidecar) shutDown(stop func(), control *sync.WaitGroup) {
	s.draining.Store(true)
	s.logger.Info("draining", "delay", s.boot.DrainDelay.String(), "timeout", s.boot.DrainTimeout.String())
	begun := time.Now()
	stop() // no revision comes into service any more
	control.Wait()

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
