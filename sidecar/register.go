package sidecar

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

// makeRegistrar makes the registrar, where GATEWAY_REGISTER asks for one.
func (s *Sidecar) makeRegistrar() {
	if s.boot.Register && !s.boot.Benchmark {
		s.registrar = s.consul.Registrar(s.serviceID(), consul.RegistrarOptions{
			Service: s.ownService, Ready: s.notReady,
		})
	}
}

func (s *Sidecar) serviceID() string { return s.boot.Service + "-" + s.boot.Instance }

// ownService is the gateway as others reach it: by its first listener. One that listens on all addresses has that of
// the agent's node.
func (s *Sidecar) ownService() (consul.Service, bool) {
	doc := s.config()
	if doc == nil || len(doc.Listeners) == 0 {
		return consul.Service{}, false
	}
	address, _, ok := s.listener(&doc.Listeners[0])
	if !ok {
		return consul.Service{}, false
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return consul.Service{}, false
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return consul.Service{}, false
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = ""
	}
	meta := map[string]string{}
	for _, e := range s.boot.RegisterMeta {
		meta[e.Key] = e.Value
	}
	return consul.Service{
		ID: s.serviceID(), Name: s.boot.Service, Instance: s.boot.Instance, Address: host, Port: port,
		Tags: s.boot.RegisterTags, Meta: meta,
	}, true
}
