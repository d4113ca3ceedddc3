package mtls

import (
	"context"
	"slices"
	"time"
)

// expiry is how near the end of a source's material is: the last threshold that it has passed.
type expiry uint8

const (
	expiryFar  expiry = iota
	expirySoon        // ends within soonBefore
	expiryNear        // ends within nearBefore
	expiryOver        // has ended
)

const (
	soonBefore = 14 * 24 * time.Hour
	nearBefore = 24 * time.Hour

	// expiryEvery is how often the time that is left is looked at. It bounds how late a threshold is told.
	expiryEvery = time.Minute
)

// expiryOf is the last threshold that has been passed when so much time is left.
func expiryOf(left time.Duration) expiry {
	switch {
	case left <= 0:
		return expiryOver
	case left <= nearBefore:
		return expiryNear
	case left <= soonBefore:
		return expirySoon
	}
	return expiryFar
}

// RunExpiry logs each certificate in use, once for each threshold: 14 days before its end, a day before, and when it
// has ended. It returns when ctx ends.
func (s *Set) RunExpiry(ctx context.Context) {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			for _, src := range s.sources {
				s.tellExpiry(src, time.Now())
			}
			s.mu.Unlock()
		}
	}
}

// InService tells that the revision serves: of what it uses the log is told now what ends soon. One that only was
// prepared is passed over, for it may be prepared again and again.
func (p *Prepared) InService() {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	for _, server := range p.servers {
		for _, src := range append(slices.Clip(server.pairs), server.roots) {
			p.set.tellExpiry(src, time.Now())
		}
	}
	for _, client := range p.clients {
		p.set.tellExpiry(client.roots, time.Now())
		p.set.tellExpiry(client.pair, time.Now())
	}
}

// tellExpiry logs how near the end of what serves is, if that is nearer than was told of this source before. Nothing
// is told of a file whose certificates live shorter than a threshold each time that a new one comes. src may be nil.
//
// +checklocks:s.mu
func (s *Set) tellExpiry(src *source, now time.Time) {
	if src == nil {
		return
	}
	good := src.onDisk.Content()
	left := good.notAfter.Sub(now)
	before := src.told
	if src.told = expiryOf(left); src.told <= before {
		return
	}
	about := []any{"path", src.file, "subjects", shorten(good.subjects), "not_after", good.notAfter}
	if src.told == expiryOver {
		s.log.Warn("certificate file has expired", about...)
		return
	}
	s.log.Warn("certificate file expires soon", append(about, "left", left.Round(time.Minute).String())...)
}
