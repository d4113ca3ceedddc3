package checkup

import (
	"context"
	"slices"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// queries are what the catalog is asked for the document, each once.
func (c *checkup) queries() (all []consul.Query) {
	for i := range c.doc.Clusters {
		if of := c.doc.Clusters[i].Consul; of.Service != "" {
			if q := consul.QueryOf(of); !slices.Contains(all, q) {
				all = append(all, q)
			}
		}
	}
	return all
}

// mayBeEmpty tells whether every cluster that asks q is content with no endpoint, or has others.
func (c *checkup) mayBeEmpty(q consul.Query) bool {
	for i := range c.doc.Clusters {
		cl := &c.doc.Clusters[i]
		if cl.Consul.Service != "" && consul.QueryOf(cl.Consul) == q && !cl.AllowEmpty && len(cl.Endpoints) == 0 {
			return false
		}
	}
	return true
}

// services looks each up in the catalog.
func (c *checkup) services(ctx context.Context) {
	all := c.queries()
	switch {
	case len(all) == 0 && c.unread():
		c.skipped("not known: the document could not be read")
		return
	case len(all) == 0:
		c.good("none is named")
		return
	case !c.reached:
		c.skipped("not looked up: Consul does not answer")
		return
	}
	for _, q := range all {
		c.service(ctx, q)
	}
}

func (c *checkup) service(ctx context.Context, q consul.Query) {
	instances, healthy, err := c.Consul.Registered(ctx, q)
	switch {
	case consul.Denied(err):
		c.wrong("the token needs "+consul.ReadsService(q.Service).Rule+" and "+consul.ReadsNodes().Rule,
			"%s: %v", q, err)
	case err != nil:
		c.wrong("Consul's own log tells more: consul monitor", "%s: %v", q, err)
	case instances == 0 && c.mayBeEmpty(q):
		c.notice("", "%s: has no instance", q)
	case instances == 0:
		c.absent(ctx, q)
	case healthy == 0:
		c.wrong("its checks tell why: consul catalog, or the page of Consul", "%s: none of %s is healthy", q,
			sidecar.Count(instances, "instance"))
	case healthy < instances:
		c.notice("", "%s: %d of %d instances are healthy", q, healthy, instances)
	default:
		c.good("%s: %s", q, sidecar.Count(instances, "healthy instance"))
	}
}

// absent tells of a service without an instance whether it has others, which are not asked for, or what may have been
// meant.
func (c *checkup) absent(ctx context.Context, q consul.Query) {
	const register = "register it, or mend the name in the document"
	if any := q.OfAll(); any != q {
		if n, _, err := c.Consul.Registered(ctx, any); err == nil && n > 0 {
			wanted, has := q.Wanted()
			c.wrong("register one "+wanted+", or mend the document",
				"%s: none of its %s %s", q, sidecar.Count(n, "instance"), has)
			return
		}
	}
	if names, err := c.Consul.Services(ctx); err == nil {
		if near := config.Nearest(q.Service, names); near != "" && near != q.Service {
			c.wrong(register, "%s: not in the catalog (perhaps %s)", q, near)
			return
		}
	}
	c.wrong(register, "%s: not in the catalog", q)
}
