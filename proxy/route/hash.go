package route

import (
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// HashKey is what of a request decides to which endpoint of a cluster it goes. Immutable.
type HashKey struct {
	by     keySource
	name   string // of the field, in lower case, or of the parameter
	cookie *Cookie
}

type keySource uint8

const (
	bySource keySource = iota
	byHeader
	byQuery
	byCookie
)

// CompileHash is the key of a cluster, nil unless its balance is hash.
func CompileHash(c *config.Cluster) *HashKey {
	switch h := &c.Hash; {
	case c.Balance != config.BalanceHash:
		return nil
	case h.Header != "":
		return &HashKey{by: byHeader, name: h.Header}
	case h.Query != "":
		return &HashKey{by: byQuery, name: h.Query}
	case h.Cookie.Name != "":
		return &HashKey{by: byCookie, cookie: compileCookie(&h.Cookie)}
	}
	return &HashKey{by: bySource}
}

// of is the key of the request h; 0 where it has none, which goes to any endpoint. A cookie that is missing is made.
func (k *HashKey) of(h *message.Head, c *Client, d *Decision) uint64 {
	var v []byte
	found := false
	switch k.by {
	case byHeader:
		v, found = h.Find(k.name)
	case byQuery:
		v, found = parameter(h.Query, k.name)
	case byCookie:
		if v, found = k.cookie.find(h, anyValue); !found {
			return cluster.Hash(d.made(k.cookie, randomValue()))
		}
	default:
		var b [64]byte
		return cluster.Hash(d.appendRemote(b[:0], c))
	}
	if !found {
		return 0
	}
	return cluster.Hash(v)
}

// appendRemote appends the client's address.
func (d *Decision) appendRemote(b []byte, c *Client) []byte {
	if d.RemoteIP.IsValid() {
		return d.RemoteIP.AppendTo(b)
	}
	return append(b, c.IP...)
}

// parameter is the first value of a parameter of a query, as it was written, and whether there is one.
func parameter(query []byte, name string) ([]byte, bool) {
	for len(query) > 0 {
		var one parameterText
		one, query = cutParameter(query)
		if string(one.name) == name {
			return one.value, true
		}
	}
	return nil, false
}
