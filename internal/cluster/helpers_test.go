package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// conn is a pooled connection as a test sees it.
type conn struct {
	slot   *Slot
	dead   bool
	asked  int
	closed int
}

func (c *conn) Usable() bool { c.asked++; return !c.dead }

func (c *conn) Close() error {
	c.closed++
	if c.slot != nil {
		c.slot.Release()
	}
	return nil
}

// cfg makes a cluster of "a*5 b c": addresses with weights.
func cfg(endpoints string) config.Cluster {
	c := config.Cluster{
		Name: "orders", Protocol: config.ProtocolHTTP1, Balance: config.BalanceWRR, Panic: config.PanicWhenNoneHealthy,
		SlowStart: 10 * time.Second,
		Keepalive: config.Keepalive{MaxIdle: 4, IdleTimeout: 90 * time.Second},
	}
	for _, d := range discovered(endpoints) {
		c.Endpoints = append(c.Endpoints, config.Endpoint{Address: d.Address, Weight: d.Weight})
	}
	return c
}

// discovered makes what Consul says of "a*5 b:warning c:critical d:maintenance".
func discovered(endpoints string) []Instance {
	var list []Instance
	for f := range strings.FieldsSeq(endpoints) {
		d := Instance{Weight: 1}
		f, state, _ := strings.Cut(f, ":")
		for s := Passing; s <= Maintenance; s++ {
			if s.String() == state {
				d.State = s
			}
		}
		address, weight, ok := strings.Cut(f, "*")
		if ok {
			d.Weight = 0
			for _, digit := range weight {
				d.Weight = 10*d.Weight + int(digit-'0')
			}
		}
		d.Address = address
		list = append(list, d)
	}
	return list
}

// newCluster gives the only cluster of a new set.
func newCluster(t testing.TB, c config.Cluster) (*Set, *Cluster) {
	t.Helper()
	s := NewSet(Options{})
	return s, add(t, s, c)
}

// add puts a cluster into service, alone.
func add(t testing.TB, s *Set, cfg config.Cluster) *Cluster {
	t.Helper()
	c, err := s.Prepare(new(cfg))
	if err != nil {
		t.Fatal(err)
	}
	s.Retire([]*Cluster{c})
	return c
}

// picks makes n picks that succeed and gives their addresses, "-" for none.
func picks(c *Cluster, n int) string {
	var seen []string
	for range n {
		e, err := c.Pick(nil)
		if err != nil {
			seen = append(seen, "-")
			continue
		}
		seen = append(seen, e.Address())
		e.Done(Success)
	}
	return strings.Join(seen, " ")
}
