package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
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
	c.compare(s.Settings)
	for _, trouble := range s.Trouble {
		if !strings.HasPrefix(trouble, "certificate ") && !strings.HasPrefix(trouble, "password file ") {
			c.wrong("", "%s", trouble)
		}
	}
}

// mostDiffering bounds how many settings are told that differ.
const mostDiffering = 8

// compare tells which settings differ from those of the running gateway. What follows from the system alone, such as a
// limit, may differ.
func (c *checkup) compare(running []sidecar.Setting) {
	if len(running) == 0 || len(c.Settings) == 0 {
		return // a gateway of another version
	}
	theirs := map[string]sidecar.Setting{}
	for _, s := range running {
		theirs[s.Name] = s
	}
	var all []string
	for _, own := range c.Settings {
		other, is := theirs[own.Name]
		delete(theirs, own.Name)
		switch {
		case !is:
			other.Value = "not set"
		case own.From == other.From && own.From == sidecar.FromDefault, own.Value == other.Value:
			continue
		}
		all = append(all, differs(own.Name, own.Value, other.Value))
	}
	for _, other := range running {
		if _, left := theirs[other.Name]; left {
			all = append(all, differs(other.Name, "not set", other.Value))
		}
	}
	const do = "gateway env --running shows what is in effect; run this with the gateway's environment, or restart it"
	for _, text := range all[:min(len(all), mostDiffering)] {
		c.notice(do, "%s", text)
	}
	if more := len(all) - mostDiffering; more > 0 {
		c.notice(do, "%d more differ", more)
	}
	if len(all) == 0 {
		c.good("its settings are those of this environment")
	}
}

func differs(name, here, there string) string {
	return fmt.Sprintf("%s: here %s, in the running gateway %s", name, cmp.Or(here, "(none)"), cmp.Or(there, "(none)"))
}
