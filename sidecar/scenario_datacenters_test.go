package sidecar_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A cluster of another datacenter stands in while the own one has no instance, for HTTP and for TCP. It gives way at
// once when the own one has an instance.
func TestFailoverToAnotherDatacenter(t *testing.T) {
	t.Parallel()
	own := testserver.Consul(t, testserver.Datacenter(t, "dc1"))
	other := testserver.Consul(t, testserver.Datacenter(t, "dc2"))
	own.Federate(other)
	g, key := follower(t, own, nil)
	address := testserver.Addr(t)
	other.Register(testserver.Service{Name: "shop", Port: port(t, app(t, "dc2"))})
	other.Register(testserver.Service{Name: "db", Port: port(t, greeter(t, "dc2"))})
	shop := testserver.Service{Name: "shop", Port: port(t, app(t, "dc1"))}
	db := testserver.Service{Name: "db", Port: port(t, greeter(t, "dc1"))}
	own.Register(shop)
	own.Register(db)
	own.KVPut(key, fmt.Sprintf(`
listeners: [{name: db, address: %q, protocol: tcp, cluster: db}]
routes: [{name: shop, cluster: shop}]
clusters:
- {name: shop, consul: {service: shop, empty_hold: 0s}, failover: [shop-dc2]}
- {name: shop-dc2, consul: {service: shop, datacenter: dc2}}
- {name: db, protocol: tcp, consul: {service: db, empty_hold: 0s}, failover: [db-dc2]}
- {name: db-dc2, protocol: tcp, consul: {service: db, datacenter: dc2}}
`, address))
	both := func(want string) {
		t.Helper()
		g.answers("/", http.StatusOK, want)
		testserver.WaitFor(t, longestWait, "a connection to "+want, func() bool { return greeting(address) == want })
	}
	both("dc1")
	own.Critical("shop")
	own.Critical("db")
	both("dc2")
	s := g.wait("the failovers", func(s status) bool {
		return slices.ContainsFunc(s.Trouble, func(line string) bool {
			return strings.HasPrefix(line, "cluster shop: no endpoint can be used, so shop-dc2 stands in: "+
				fmt.Sprint("127.0.0.1:", shop.Port)+" unhealthy (consul: critical")
		})
	})
	if len(s.Clusters) != 4 {
		t.Errorf("clusters: %+v", s.Clusters)
	}
	own.Pass("shop")
	own.Pass("db")
	both("dc1")
	own.Deregister("shop")
	own.Deregister("db")
	both("dc2")
	own.Register(shop)
	own.Register(db)
	both("dc1")
}

// greeter is a TCP server that says its name to each connection, and ends it.
func greeter(t testing.TB, name string) (address string) {
	t.Helper()
	return testserver.OneByOne(t, func(c net.Conn) { _, _ = io.WriteString(c, name) })
}

// greeting is what a connection to address is told, empty for nothing.
func greeting(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return ""
	}
	defer c.Close()
	text, _ := io.ReadAll(c)
	return string(text)
}
