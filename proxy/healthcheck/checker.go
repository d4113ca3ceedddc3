package healthcheck

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Options are what a Checker is made of. All of them must be set.
type Options struct {
	Sweeper *netio.Sweeper
	Dial    netio.DialFunc
	Limits  http1.Limits // of a response head

	// Panicked is told of a panic in a probe, which then ends without a verdict. Called from the probe's goroutine, or
	// from that of its connection.
	Panicked func(p any, stack []byte)
}

// Checker makes the probes of all revisions. Immutable.
type Checker struct {
	o Options
}

// New returns a Checker.
func New(o Options) *Checker { return &Checker{o} }

// Probes are those of a revision: of every cluster whose document wants active checks, of whichever plane. clusters is
// by name, certs has what they need for TLS.
func (k *Checker) Probes(
	clusters map[string]*cluster.Cluster, certs *mtls.Prepared,
) map[*cluster.Cluster]cluster.Probe {
	probes := map[*cluster.Cluster]cluster.Probe{}
	for name, c := range clusters {
		cfg := c.Config()
		if cfg.HealthCheck.Type == "" {
			continue
		}
		ck := &check{o: k.o, cfg: cfg.HealthCheck, protocol: cfg.Protocol, dial: k.o.Dial}
		if cfg.ProxyProtocol != "" { // the connection is the gateway's own, which the header says
			ck.dial = proxyproto.Dialer(ck.dial, cfg.ProxyProtocol, proxyproto.Header{})
		}
		if tc := certs.Client(name); tc != nil {
			ck.tls, ck.dial = true, tlsDialer(tc, cfg.Protocol, netio.Corked(ck.dial))
		}
		probes[c] = ck.probe
	}
	return probes
}

// tlsDialer connects to endpoints of a protocol: what is not HTTP agrees on nothing.
func tlsDialer(tc *mtls.Client, protocol string, dial netio.DialFunc) netio.DialFunc {
	if protocol == config.ProtocolTCP {
		return tc.TunnelDialer(dial)
	}
	return tc.Dialer(dial)
}

// check is the active check of one cluster. Immutable.
type check struct {
	o        Options
	cfg      config.HealthCheck
	dial     netio.DialFunc
	protocol string // of the cluster
	tls      bool
}

// probe is the cluster.Probe.
func (k *check) probe(ctx context.Context, address string) (err error) {
	a := &asking{check: k, address: address}
	defer func() {
		if p := recover(); p != nil {
			a.panicked(p, debug.Stack())
		}
		if a.crashed.Load() {
			err = cluster.ErrNoVerdict
		}
	}()
	return a.ask(ctx)
}

// asking is one probe of one endpoint.
type asking struct {
	*check
	address string
	crashed atomic.Bool // something of it has panicked
}

func (a *asking) panicked(p any, stack []byte) {
	a.crashed.Store(true)
	a.o.Panicked(p, stack)
}

func (a *asking) ask(ctx context.Context) error {
	nc, err := a.dial(ctx, a.address)
	if netio.Exhausted(err) {
		return cluster.ErrNoVerdict
	}
	if err != nil {
		return netio.NewConnectError(err)
	}
	if a.cfg.Type == config.HealthCheckTCP {
		return nc.Close()
	}
	c := netio.New(nc, a.o.Sweeper, a.cfg.Timeout)
	defer func() { _ = c.Close() }()                        // a response has come, or none will
	cut := context.AfterFunc(ctx, func() { _ = c.Close() }) // wakes whoever reads or writes
	defer cut()
	switch {
	case a.cfg.Type == config.HealthCheckGRPC:
		return a.askGRPC(c)
	case a.protocol == config.ProtocolHTTP2 || a.protocol == config.ProtocolAuto && mtls.HTTP2(nc):
		return a.askHTTP2(c)
	}
	return a.askHTTP1(c)
}

// judge tells whether a status is one of a healthy endpoint.
func (k *check) judge(status int) error {
	if len(k.cfg.Statuses) == 0 && status/100 == 2 || slices.Contains(k.cfg.Statuses, status) {
		return nil
	}
	return fmt.Errorf("status %d", status)
}

// authority is the Host of the request.
func (a *asking) authority() string {
	if a.cfg.Host != "" {
		return a.cfg.Host
	}
	return a.address
}

// maxInterim bounds the interim responses before the final one.
const maxInterim = 16

// final reads response heads until one that is not interim.
func final(read func() (*message.Head, error)) (*message.Head, error) {
	for range maxInterim {
		h, err := read()
		if err != nil {
			return nil, err
		}
		if h.Status >= 200 {
			return h, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim responses", maxInterim)
}
