package config

import (
	"net/netip"
	"time"
)

// What a listener speaks.
const (
	ProtocolHTTP = "http" // HTTP/1.1 and h2c by preface, h2 by ALPN under TLS
	ProtocolTCP  = "tcp"  // bytes to one cluster; a cluster may be of this protocol too
	ProtocolTLS  = "tls"  // routed by SNI, not decrypted
)

// Listener is one address that accepts connections.
type Listener struct {
	Name          string
	Address       string // host:port; no host = every address, port 0 = the kernel chooses
	Protocol      string
	TLS           ListenerTLS   // terminated here if it has certificates
	ProxyProtocol ProxyProtocol // off when From is empty

	// L4 only: exactly one of Cluster and SNI is set.
	Cluster     string
	SNI         []SNIRoute
	IdleTimeout time.Duration // no byte either way; 0 = none
	MaxDuration time.Duration // whole life of a connection; 0 = none
}

// L4 tells whether the listener forwards bytes instead of requests.
func (l *Listener) L4() bool { return l.Protocol != ProtocolHTTP }

// SNIRoute sends the connections for one server name to a cluster.
type SNIRoute struct {
	Host    string // exact, "*.example.com" (any depth below), or "*": whatever no other names
	Cluster string
}

// ProxyProtocol says who may speak for a client with a PROXY header.
type ProxyProtocol struct {
	From []netip.Prefix // from any other peer the header is not read
}
