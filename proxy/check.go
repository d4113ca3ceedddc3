package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// check asks the endpoints of one cluster how they are, each time over a connection of its own: what a pooled one says may be about the
// connection. It connects as the cluster's requests do. Immutable.
type check struct {
	s        *Server
	cfg      config.HealthCheck
	dial     DialFunc
	protocol string // of the cluster
	tls      bool
}

// checks are the probes of a revision: of every cluster whose document wants active checks, those of the L4 plane included.
func (s *Server) checks(clusters map[string]*cluster.Cluster, certs *mtls.Prepared) map[*cluster.Cluster]cluster.Probe {
	probes := map[*cluster.Cluster]cluster.Probe{}
	for name, c := range clusters {
		cfg := c.Config()
		if cfg.HealthCheck.Type == "" || s.unchecked {
			continue
		}
		k := &check{s: s, cfg: cfg.HealthCheck, protocol: cfg.Protocol, dial: s.dial}
		if cfg.ProxyProtocol != "" {
			k.dial = introduced(k.dial, cfg.ProxyProtocol)
		}
		if tc := certs.Client(name); tc != nil {
			k.tls, k.dial = true, tlsDialer(k.dial, tlsConfig(tc, cfg.Protocol))
		}
		probes[c] = k.probe
	}
	return probes
}

// tlsConfig is how endpoints of a protocol are connected to: what is not HTTP agrees on nothing.
func tlsConfig(tc *mtls.Client, protocol string) func(address string) *tls.Config {
	if protocol == config.ProtocolTCP {
		return tc.TunnelConfig
	}
	return tc.Config
}

// introduced begins each connection with a PROXY header that says that it is our own.
func introduced(dial DialFunc, version string) DialFunc {
	header := proxyproto.Append(nil, version, proxyproto.Header{})
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		if at, ok := ctx.Deadline(); ok {
			_ = nc.SetDeadline(at) // a closed connection says so at the write
		}
		if _, err := nc.Write(header); err != nil {
			_ = nc.Close()
			return nil, err
		}
		return nc, nil
	}
}

// probe is the cluster.Probe.
func (k *check) probe(ctx context.Context, address string) error {
	nc, err := k.dial(ctx, address)
	if netio.Exhausted(err) {
		return cluster.ErrNoVerdict
	}
	if err != nil {
		return &connectError{err: err}
	}
	if k.cfg.Type == config.HealthCheckTCP {
		return nc.Close()
	}
	c := netio.New(nc, k.s.sweeper, k.cfg.Timeout)
	cut := context.AfterFunc(ctx, func() { _ = c.Close() }) // wakes whoever reads or writes
	defer cut()
	if k.cfg.Type == config.HealthCheckGRPC {
		return k.askGRPC(c, address)
	}
	status := 0
	if k.protocol == config.ProtocolHTTP2 || k.protocol == config.ProtocolAuto && agreedOnHTTP2(nc) {
		status, err = k.askHTTP2(c, address)
	} else {
		status, err = k.askHTTP1(c, address)
	}
	if err != nil {
		return err
	}
	return k.judge(status)
}

// judge tells whether a status is one of a healthy endpoint.
func (k *check) judge(status int) error {
	if len(k.cfg.Statuses) == 0 && status/100 == 2 || slices.Contains(k.cfg.Statuses, status) {
		return nil
	}
	return fmt.Errorf("status %d", status)
}

// authority is the Host of the check's request.
func (k *check) authority(address string) string {
	if k.cfg.Host != "" {
		return k.cfg.Host
	}
	return address
}

// mostInterim bounds the interim answers before the final one.
const mostInterim = 16

// final reads heads until one that is no interim answer.
func final(read func() (*message.Head, error)) (*message.Head, error) {
	for range mostInterim {
		h, err := read()
		if err != nil {
			return nil, err
		}
		if h.Status >= 200 {
			return h, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim answers", mostInterim)
}
