package route

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// FailureStatuses are the statuses of responses that passive health counts as failures. nil: 500 and more. Immutable.
type FailureStatuses [lastError - firstError + 1]bool

// CompileFailureStatuses are those of a cluster.
func CompileFailureStatuses(p *config.PassiveHealth) *FailureStatuses {
	if p.StandardStatuses() {
		return nil
	}
	f := new(FailureStatuses)
	for i := range f {
		f[i] = p.StatusFails(firstError + i)
	}
	return f
}

// Has tells whether status is one of them.
func (f *FailureStatuses) Has(status int) bool {
	if f == nil {
		return status >= 500
	}
	return status >= firstError && status <= lastError && f[status-firstError]
}
