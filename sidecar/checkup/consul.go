package checkup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

const (
	// oldData is how far behind its leader a server may be without being told of.
	oldData = 10 * time.Second
	// wrongClock is the difference of two clocks from which certificates and tokens may be judged wrong.
	wrongClock = 5 * time.Second
)

// mendToken is what to do about a token that is none.
const mendToken = "set CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE to a token of this Consul"

// needsConsul tells whether this gateway asks Consul anything.
func (c *checkup) needsConsul() bool {
	b := &c.Bootstrap
	return b.Source == sidecar.SourceConsul || b.Register || len(c.queries()) > 0
}

func (c *checkup) consul(ctx context.Context) {
	if !c.needsConsul() {
		c.good("not needed: the document is not in it, and names no service")
		return
	}
	if c.Consul == nil {
		c.wrong("mend the variable", "%v", c.ConsulErr)
		return
	}
	var err error
	c.contact, err = c.Consul.Contact(ctx)
	_, noToken := errors.AsType[*consul.TokenError](err)
	switch {
	case noToken:
		c.wrong(mendToken, "%v", err)
		return
	case err != nil:
		c.wrong("is an agent there? CONSUL_HTTP_ADDR says where it is asked for", "%s: %v", c.contact.Address, err)
		return
	}
	c.reached = true
	c.good("%s answers in %s, its leader is %s", c.contact.Address, milliseconds(c.contact.Took), c.contact.Leader)
	switch behind := c.contact.Behind; {
	case behind < 0:
		c.skipped("it does not say how old its data are")
	case behind > oldData:
		c.wrong("the agent's log tells why it does not reach the servers (consul monitor)",
			"its data are %s old: it heard from the leader so long ago", behind.Round(time.Second))
	default:
		c.good("its data are at most %s old", milliseconds(behind))
	}
}

func milliseconds(d time.Duration) string { return d.Round(time.Millisecond).String() }

// token tells of each right that this gateway uses, with the document that there is.
func (c *checkup) token(ctx context.Context) {
	if !c.needsConsul() {
		c.good("not needed: Consul is not")
		return
	}
	if !c.reached {
		c.skipped("not known: Consul does not answer")
		return
	}
	needs, useful := c.rights()
	lacks, err := c.Consul.Lacks(ctx, slices.Concat(needs, useful))
	switch {
	case errors.Is(err, consul.ErrNoACLs):
		c.good("not needed: ACLs are off")
		return
	case consul.Denied(err):
		c.wrong(mendToken, "is refused: %v", err)
		return
	case err != nil:
		c.skipped("its rights are not known: %v", err)
		return
	}
	lacking := func(r consul.Right) bool {
		return slices.ContainsFunc(lacks, func(l consul.Right) bool { return l.Rule == r.Rule })
	}
	for _, r := range needs {
		switch {
		case !lacking(r):
			c.good("%s", r.Rule)
		case r == consul.ReadsNodes():
			c.notice("give it the rule, unless it has rules for the nodes of all services",
				"lacks %s: instances on other nodes are left out", r.Rule)
		default:
			c.wrong("give its policy the rule, or set CONSUL_HTTP_TOKEN to another token", "lacks %s", r.Rule)
		}
	}
	for _, r := range useful {
		if lacking(r) {
			c.notice("give its policy the rule, or set GATEWAY_ACK=off",
				"lacks %s: gateway push --wait and gateway fleet hear nothing of this gateway", r.Rule)
		} else {
			c.good("%s", r.Rule)
		}
	}
}

// rights are those that the gateway needs to serve, and those without which it serves too.
func (c *checkup) rights() (needs, useful []consul.Right) {
	b := &c.Bootstrap
	if b.Source == sidecar.SourceConsul {
		needs = append(needs, consul.ReadsKey(b.ConsulKey))
		if b.Ack == sidecar.AckAuto && !b.Benchmark {
			useful = consul.WritesVerdicts(b.ConsulKey, b.Instance)
		}
	}
	var names []string
	for _, q := range c.queries() {
		if !slices.Contains(names, q.Service) {
			names = append(names, q.Service)
			needs = append(needs, consul.ReadsService(q.Service))
		}
	}
	if len(names) > 0 {
		needs = append(needs, consul.ReadsNodes())
	}
	if b.Register && !b.Benchmark {
		needs = append(needs, consul.WritesService(b.Service))
	}
	return needs, useful
}

// clock compares this machine's with Consul's.
func (c *checkup) clock(context.Context) {
	d := c.contact.Ahead
	switch {
	case !c.contact.Clock && c.needsConsul():
		c.skipped("not compared: Consul does not answer")
	case !c.contact.Clock:
		c.skipped("not compared: there is no Consul that has one too")
	case d.Abs() > wrongClock:
		c.wrong("set one of them by NTP (timedatectl, chronyc tracking): certificates may be judged wrong",
			"it differs from Consul's by %s: here it is %s", d.Abs(), c.now.UTC().Format(time.RFC3339))
	default:
		c.good("as Consul's")
	}
}
