package checkup

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

const (
	// dialTimeout bounds how long one endpoint is waited for.
	dialTimeout = 2 * time.Second
	// mostEndpoints bounds how many are connected to, dialsAtOnce how many of them at a time.
	mostEndpoints = 200
	dialsAtOnce   = 16
)

// staticEndpoint is an endpoint that the document itself names, and what came of connecting to it.
type staticEndpoint struct {
	cluster, address string
	err              error
}

// endpoints connects to each endpoint that stands in the document, or is the app of the environment. What Consul
// names, its own checks tell of. An app may start later than its gateway, so one that does not listen is a notice.
func (c *checkup) endpoints(ctx context.Context) {
	all := c.staticEndpoints()
	if len(all) == 0 {
		c.good("the document names none by its address")
		return
	}
	tried := all[:min(len(all), mostEndpoints)]
	connect(ctx, tried)
	c.tellEndpoints(tried)
	if n := len(all) - len(tried); n > 0 {
		c.skipped("%s not tried: more than %d are named", sidecar.Count(n, "endpoint"), mostEndpoints)
	}
}

// tellEndpoints tells what came of connecting to each.
func (c *checkup) tellEndpoints(tried []staticEndpoint) {
	good := 0
	for i := range tried {
		switch e := &tried[i]; {
		case e.err == nil:
			good++
		case unknownHost(e.err):
			c.wrong("mend the name, or what resolves it (/etc/resolv.conf, /etc/hosts)",
				"cluster %s: %s: %v", e.cluster, e.address, e.err)
		default:
			c.notice("is it started, and is this its port?", "cluster %s: %s: %v", e.cluster, e.address, e.err)
		}
	}
	if good > 0 {
		c.good("%d of %s can be connected to", good, sidecar.Count(len(tried), "endpoint"))
	}
}

// staticEndpoints are those of the document, each once.
func (c *checkup) staticEndpoints() (all []staticEndpoint) {
	seen := map[string]bool{}
	for i := range c.doc.Clusters {
		for _, e := range c.doc.Clusters[i].Endpoints {
			if !seen[e.Address] {
				seen[e.Address] = true
				all = append(all, staticEndpoint{cluster: c.doc.Clusters[i].Name, address: e.Address})
			}
		}
	}
	return all
}

// connect connects to each, and notes what came of it.
func connect(ctx context.Context, all []staticEndpoint) {
	var wait sync.WaitGroup
	for part := range slices.Chunk(all, (len(all)+dialsAtOnce-1)/dialsAtOnce) {
		wait.Go(func() {
			for i := range part {
				part[i].err = reach(ctx, part[i].address)
			}
		})
	}
	wait.Wait()
}

// reach tells why there is no connection to address; nil: there was one.
func reach(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return netio.NewConnectError(err)
	}
	return nc.Close()
}

func unknownHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
