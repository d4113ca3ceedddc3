package checkup

import (
	"context"
	"errors"
	"strings"
	"syscall"
)

// gateway tells of the one that runs. What it says of files is left out: they are looked at below.
func (c *checkup) gateway(context.Context) {
	s := c.Status
	switch {
	case c.Admin == "":
		c.skipped("GATEWAY_ADMIN_LISTEN is empty: one that runs cannot be asked")
		return
	case s == nil && errors.Is(c.StatusErr, syscall.ECONNREFUSED):
		c.good("none runs yet: nobody listens at %s", c.Admin)
		return
	case s == nil:
		c.wrong("set GATEWAY_ADMIN_LISTEN as for the gateway, or end what listens there", "admin port %s: %v", c.Admin,
			c.StatusErr)
		return
	case s.Service != c.Bootstrap.Service:
		c.wrong("set GATEWAY_SERVICE and GATEWAY_ADMIN_LISTEN as for the gateway",
			"admin port %s: is of the gateway of service %s, not of %s", c.Admin, s.Service, c.Bootstrap.Service)
		c.Status = nil // nothing of it is ours
		return
	case s.Draining:
		c.notice("", "it drains: it is about to stop")
	case !s.Ready:
		for _, reason := range s.Reasons {
			c.wrong("", "not ready: %s", reason)
		}
	default:
		c.good("ready, serves revision %s", s.Revision.ID)
	}
	for _, trouble := range s.Trouble {
		if !strings.HasPrefix(trouble, "certificate ") && !strings.HasPrefix(trouble, "password file ") {
			c.wrong("", "%s", trouble)
		}
	}
}
