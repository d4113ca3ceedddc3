package cluster

import (
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// What a request can go to, and what keeps it from more, by what the catalog says.
func TestReach(t *testing.T) {
	const orders = "consul service orders"
	for _, row := range []struct {
		name, static, list string
		edit               func(*config.Cluster)
		want               Reach
		lack               string
	}{
		{name: "an instance", list: "a", want: HasEndpoint, lack: orders + ": passing"},
		{name: "none", want: NoEndpoint, lack: orders + ": not in the catalog"},
		{name: "critical alone", list: "a:critical b:critical", want: CriticalOnly, lack: orders + ": critical"},
		{name: "critical, no panic", list: "a:critical", want: NoEndpoint, lack: orders + ": critical",
			edit: func(c *config.Cluster) { c.Panic = config.PanicNever }},
		{name: "one is not critical", list: "a:critical b:warning", want: HasEndpoint,
			lack: orders + ": critical, warning"},
		{name: "a warning, only_passing", list: "a:warning", want: HasEndpoint, lack: orders + ": warning",
			edit: func(c *config.Cluster) { c.Consul.OnlyPassing = true }},
		{name: "a warning, only_passing, no panic", list: "a:warning", want: NoEndpoint, lack: orders + ": warning",
			edit: func(c *config.Cluster) { c.Consul.OnlyPassing, c.Panic = true, config.PanicNever }},
		{name: "maintenance", list: "a:maintenance", want: NoEndpoint, lack: orders + ": maintenance"},
		{name: "weight 0", list: "a*0", want: NoEndpoint, lack: orders + ": passing with weight 0"},
		{name: "of the document", static: "s", list: "a:critical", want: HasEndpoint, lack: orders + ": critical"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cl := cfg(row.static)
			cl.Consul.Service = "orders"
			if row.edit != nil {
				row.edit(&cl)
			}
			c := add(t, NewSet(Options{}), cl)
			c.SetEndpoints(discovered(row.list))
			if got, lack := c.Reach(), c.Lack(); got != row.want || lack != row.lack {
				t.Errorf("reach %d, lack %q; want %d, %q", got, lack, row.want, row.lack)
			}
		})
	}
}

// A cluster that stands in counts as the cluster itself does.
func TestReachByFailover(t *testing.T) {
	c := newChain(t, nil)
	for _, step := range []struct {
		a, b, c string
		want    Reach
	}{
		{"", "b1:critical", "", CriticalOnly},
		{"a1:critical", "b1", "", HasEndpoint},
		{"a1:critical", "b1:maintenance", "c1:critical", CriticalOnly},
	} {
		for name, list := range map[string]string{"a": step.a, "b": step.b, "c": step.c} {
			c.of[name].SetEndpoints(discovered(list))
		}
		if got := c.of["a"].Reach(); got != step.want {
			t.Errorf("%+v: reach %d, want %d", step, got, step.want)
		}
	}
}
