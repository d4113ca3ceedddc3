package checkup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// descriptors tells how many files the gateway may open: the one that runs, else one that is started here.
func (c *checkup) descriptors(context.Context) {
	const raise = "raise the limit: LimitNOFILE= in systemd, ulimits of a container, ulimit -n"
	if s := c.Status; s != nil && s.Limits.Descriptors.Max > 0 {
		d, conns := s.Limits.Descriptors, s.Limits.Connections
		c.good("%d of %d are in use, %d of %d connections are open", d.Used, d.Max, conns.Used, conns.Max)
		return // where they are too few, its trouble says so
	}
	limit, connections, enough := c.Bootstrap.Descriptors()
	if !enough {
		c.wrong(raise, "the process may open %d files: enough for %s", limit, sidecar.Count(connections, "connection"))
		return
	}
	if limit == 0 {
		c.skipped("the system does not tell how many files a process may open")
		return
	}
	c.good("%d, which is enough for %s", limit, sidecar.Count(connections, "connection"))
}

// ports tells of each address that is listened on. Those of the running gateway are its own.
func (c *checkup) ports(ctx context.Context) {
	any := false
	for i := range c.doc.Listeners {
		l := &c.doc.Listeners[i]
		any = true
		c.port(ctx, "listener "+l.Name, l.Address, c.runsOn(l.Address))
	}
	if admin := c.Bootstrap.AdminListen; admin != "" {
		any = true
		c.port(ctx, "admin port", admin, c.Status != nil)
	}
	if !any {
		c.good("none is listened on")
	}
}

// runningBeside is the address of the running gateway that keeps address from being listened on. One of them is for
// all interfaces, and the port is the same. Empty: there is none.
func (c *checkup) runningBeside(address string) string {
	host, port, _ := net.SplitHostPort(address) // it was checked
	if c.Status == nil {
		return ""
	}
	for i := range c.Status.Listeners {
		own := c.Status.Listeners[i].Address
		if h, p, err := net.SplitHostPort(own); err == nil && p == port && (forAll(host) || forAll(h)) {
			return own
		}
	}
	return ""
}

// forAll tells whether a host stands for all interfaces.
func forAll(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// runsOn tells whether the running gateway listens on an address.
func (c *checkup) runsOn(address string) bool {
	if c.Status == nil {
		return false
	}
	for i := range c.Status.Listeners {
		if config.SameAddress(c.Status.Listeners[i].Address, address) {
			return true
		}
	}
	return false
}

func (c *checkup) port(ctx context.Context, who, address string, own bool) {
	if own {
		c.good("%s: %s is the running gateway's", who, address)
		return
	}
	ln, err := netio.Listen(ctx, address, nil)
	if err == nil {
		ln.Close()
		c.good("%s: %s is free", who, address)
		return
	}
	_, port, _ := net.SplitHostPort(address) // it was checked
	do := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && c.runningBeside(address) != "":
		c.notice("set GATEWAY_LISTEN as the running gateway has it, or this is another gateway",
			"%s: %s is taken by the running gateway, which listens on %s", who, address, c.runningBeside(address))
		return
	case errors.Is(err, syscall.EADDRINUSE):
		do = fmt.Sprintf("ss -ltnp 'sport = :%s' names the process; end it, or take another port", port)
	case errors.Is(err, syscall.EACCES):
		do = "take a port from 1024 on, or give the process CAP_NET_BIND_SERVICE"
	case isName(err):
		do = "no resolver knows the host: mend it, or write :" + port
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		do = "no interface of this machine has the address (ip addr): mend it, or write :" + port
	}
	c.wrong(do, "%s: %v", who, err)
}

// isName tells whether an error is that of a host name that does not resolve.
func isName(err error) bool {
	_, is := errors.AsType[*net.DNSError](err)
	return is
}
