package config

import (
	"net/netip"

	"go.yaml.in/yaml/v4"
)

// ProxyProtocol says who may speak for a client with a PROXY header.
type ProxyProtocol struct {
	From []netip.Prefix // from any other peer the header is not read
}

var proxyProtocolBlock = block[ProxyProtocol]{
	fields: []field[ProxyProtocol]{
		at("from", func(p *ProxyProtocol) *[]netip.Prefix { return &p.From }, listOf(network)),
	},
	end: func(d *decoder, n *yaml.Node, p *ProxyProtocol) {
		if v := valueOf(n, "from"); v == nil || v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
			d.problem(n, "want the networks that are trusted, such as {from: [10.0.0.0/8]} (seen none)")
		}
	},
}

// proxyProtocol is a block, or false. There is no true: who is trusted has to be said.
var proxyProtocol = kind[ProxyProtocol]{
	decode: func(d *decoder, n *yaml.Node, p *ProxyProtocol) {
		switch {
		case n.Kind != yaml.ScalarNode:
			proxyProtocolBlock.decode(d, n, p)
		case n.Tag != "!!bool" || n.Value == "true":
			d.problem(n, "want false, or the networks that are trusted, such as {from: [10.0.0.0/8]} (%s)", seen(n))
		}
	},
	encode: proxyProtocolBlock.encode,
}

// network is a CIDR, or one address.
var network = kind[netip.Prefix]{
	decode: func(d *decoder, n *yaml.Node, v *netip.Prefix) {
		s, ok := d.scalar(n, "a network such as 10.0.0.0/8", "!!str")
		if !ok {
			return
		}
		p, err := netip.ParsePrefix(s)
		if ip, single := netip.ParseAddr(s); single == nil && ip.Zone() == "" {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		switch {
		case err != nil:
			d.problem(n, "want a network such as 10.0.0.0/8 (%s)", seen(n))
		case p.Addr().Is4In6(): // addresses are compared as what they stand for, so nobody would be in it
			d.problem(n, "want an IPv4 network, such as %s (%s)", unmapped(p), seen(n))
		case p != p.Masked():
			d.problem(n, "want a network without bits behind its length, such as %s (%s)", p.Masked(), seen(n))
		default:
			*v = p
		}
	},
	encode: func(e *encoder, v *netip.Prefix) { e.text(v.String()) },
}

// unmapped is the IPv4 network that a network of IPv4-mapped addresses stands for.
func unmapped(p netip.Prefix) netip.Prefix {
	const mapped = 128 - 32 // bits in front of the IPv4 address
	return netip.PrefixFrom(p.Addr().Unmap(), max(0, p.Bits()-mapped)).Masked()
}
