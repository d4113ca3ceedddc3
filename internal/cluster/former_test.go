package cluster

import (
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// A former revision that is kept beside the one in service has no say in how long the last endpoints are held.
func TestHoldBesideAFormerRevision(t *testing.T) {
	set := NewSet(Options{})
	t.Cleanup(func() { set.Retire(nil) })
	prepare := func(hold time.Duration) *Cluster {
		t.Helper()
		c, err := set.Prepare(&config.Cluster{Name: "c", Consul: config.Consul{Service: "s", EmptyHold: hold}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	former := prepare(time.Hour)
	set.Retire([]*Cluster{former})
	former.SetEndpoints([]Instance{{Address: "10.0.0.1:80", Weight: 1}})
	active := prepare(time.Minute)
	set.Retire([]*Cluster{former, active})
	active.SetEndpoints(nil)
	if left := time.Until(active.HeldUntil()); left > time.Minute || left < 0 {
		t.Errorf("held for %v, want a minute", left)
	}
}
