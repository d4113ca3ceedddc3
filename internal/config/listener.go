package config

import (
	"time"

	"go.yaml.in/yaml/v4"
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
	Allow       Access        // who may connect; nobody named = everybody
	Deny        Access        // who may not, whatever Allow says
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

var listenerBlock = block[Listener]{
	fields: []field[Listener]{
		at("name", func(l *Listener) *string { return &l.Name }, name),
		at("address", func(l *Listener) *string { return &l.Address }, listenAddress),
		at("protocol", func(l *Listener) *string { return &l.Protocol }, word(ProtocolHTTP, ProtocolTCP, ProtocolTLS)),
		at("tls", func(l *Listener) *ListenerTLS { return &l.TLS }, listenerTLSBlock.kind()).optional(),
		at("proxy_protocol", func(l *Listener) *ProxyProtocol { return &l.ProxyProtocol }, proxyProtocol).optional(),
		at("cluster", func(l *Listener) *string { return &l.Cluster }, clusterName).optional(),
		at("sni", func(l *Listener) *[]SNIRoute { return &l.SNI }, blocksOf(&sniBlock).then(checkSNI)).optional(),
		at("allow", func(l *Listener) *Access { return &l.Allow }, accessBlock.kind()).optional(),
		at("deny", func(l *Listener) *Access { return &l.Deny }, accessBlock.kind()).optional(),
		at("idle_timeout", func(l *Listener) *time.Duration { return &l.IdleTimeout },
			duration(true)).when((*Listener).L4),
		at("max_duration", func(l *Listener) *time.Duration { return &l.MaxDuration },
			duration(true)).when((*Listener).L4),
	},
	begin: func(d *decoder, l *Listener) { l.Protocol = ProtocolHTTP },
	end:   checkListener,
}

// checkListener holds each protocol to its own keys, and gives L4 its timeouts.
func checkListener(d *decoder, n *yaml.Node, l *Listener) {
	if !has(n, "address") {
		d.problem(n, "address is missing")
	}
	if v := valueOf(n, "protocol"); v != nil && v.Value != l.Protocol {
		return // it was refused, and with it what the rest is about
	}
	if l.Protocol == ProtocolTLS && has(n, "tls") {
		d.problemIn(n, "tls", "protocol tls passes TLS on undecrypted, so it has no tls block (protocol tcp decrypts)")
	}
	if !l.L4() {
		for _, key := range []string{"cluster", "sni", "idle_timeout", "max_duration"} {
			if has(n, key) {
				d.problemIn(n, key, "only protocol tcp and tls have %s (protocol is http)", key)
			}
		}
		for _, key := range []string{"allow", "deny"} {
			if has(n, key) {
				d.problemIn(n, key, "only protocol tcp and tls have %s: for http write it in routes", key)
			}
		}
		return
	}
	for _, key := range []string{"allow", "deny"} {
		d.checkListenerAccess(l, key, valueOf(n, key), valueOf(n, "tls"))
	}
	if has(n, "sni") && l.Protocol != ProtocolTLS {
		d.problemIn(n, "sni", "only protocol tls has sni (protocol is %s)", l.Protocol)
	} else if has(n, "cluster") == has(n, "sni") {
		d.problem(n, "want %s (seen %s)", oneTarget[l.Protocol], either(has(n, "cluster"), "both", "none"))
	}
	if !has(n, "idle_timeout") {
		l.IdleTimeout = d.doc.Timeouts.TCPIdle
	}
	if !has(n, "max_duration") {
		l.MaxDuration = d.doc.Timeouts.TCPMaxDuration
	}
}

// oneTarget says where an L4 listener's connections may go.
var oneTarget = map[string]string{ProtocolTCP: "a cluster", ProtocolTLS: "exactly one of cluster and sni"}

// addListener takes a listener into the document. What the bootstrap adds gives
// way to one of the same name or address.
func (d *decoder) addListener(n *yaml.Node, l *Listener, _ bool) bool {
	key := addressKey(l.Address)
	first, taken := d.addresses[key]
	if d.isTaken(first, taken) || d.nameTaken("listeners", l.Name) {
		return false
	}
	d.claim(n, "listeners", l.Name)
	d.protocols[l.Name] = l.Protocol
	switch {
	case l.Address == "" || anyPort(l.Address):
	case taken:
		d.problemIn(n, "address", "the address %s is taken (%s)", l.Address, d.at(first))
	default:
		d.addresses[key] = d.here(n)
	}
	return true
}

var sniBlock = block[SNIRoute]{
	form: "{host: db.example.com, cluster: db}",
	fields: []field[SNIRoute]{
		at("host", func(s *SNIRoute) *string { return &s.Host }, serverName),
		at("cluster", func(s *SNIRoute) *string { return &s.Cluster }, clusterName),
	},
	end: func(d *decoder, n *yaml.Node, s *SNIRoute) {
		if !has(n, "host") {
			d.problem(n, `host is missing ("*" is whatever no other names)`)
		}
		if !has(n, "cluster") {
			d.problem(n, "cluster is missing")
		}
	},
}

func checkSNI(d *decoder, n *yaml.Node, list *[]SNIRoute) {
	if len(*list) == 0 {
		d.problem(n, "want at least one host (seen an empty list)")
	}
	seen := make(map[string]bool, len(*list))
	for i, s := range *list {
		if seen[s.Host] {
			d.enterItem(i)
			d.problemIn(n.Content[i], "host", "the host %s is there twice", s.Host)
			d.leave()
		}
		seen[s.Host] = true
	}
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
