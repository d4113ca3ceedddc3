package mtls

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Observe watches files that something else in the process reads by itself, such as the client of Consul, until the
// end of the process. Their end is told as that of any other. Files that cannot be read are passed over, for who reads
// them says so. Call it once.
func (s *Set) Observe(pairs []config.Certificate, roots []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []sourceKey
	for _, p := range pairs {
		keys = append(keys, sourceKey{kind: pairKind, file: p.CertFile, key: p.KeyFile})
	}
	for _, file := range roots {
		keys = append(keys, sourceKey{kind: rootsKind, file: file})
	}
	for _, key := range keys {
		src, err := s.source(key)
		if err != nil {
			continue
		}
		s.tellExpiry(src, time.Now())
	}
	s.follow()
}
