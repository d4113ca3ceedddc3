package sidecar_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// Consul has the document and is slow to say which instances there are, at the start: requests and connections wait, and
// none fails. A document that comes meanwhile changes nothing about that.
func TestBootWithASlowCatalog(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.Register(testserver.Service{Name: "slow", Port: port(t, app(t, "slow"))})
	tcp := testserver.Addr(t)
	document := func(more string) string {
		return fmt.Sprintf("routes: [{name: all, cluster: c}]\nlisteners: [{name: raw, address: %q, protocol: tcp, "+
			"cluster: c}]\nclusters: [{name: c, consul: {service: slow}%s}]\ntimeouts: {connect: 60s}\n", tcp, more)
	}
	consul.KVPut("gateway/app/config", document(""))
	told := make(chan struct{})
	relay := newRelay(t, consul.Addr(), func(request string) bool {
		if strings.Contains(request, "/v1/health/service/slow") {
			<-told
		}
		return true
	})
	tell := sync.OnceFunc(func() { close(told) })
	t.Cleanup(tell) // whatever happens
	g := up(t, env{"CONSUL_HTTP_ADDR": relay})
	g.wait("the document", func(s status) bool { return s.Revision.Source == "consul" })
	requests := g.load("/")
	raw := make(chan string, 1)
	go func() { raw <- rawRequest(tcp) }()
	g.wait("requests of both planes to wait", func(s status) bool { return s.Clusters[0].Awaiting == 5 })
	if _, why, _ := fetch(g.admin + "/ready"); why != "no endpoints received yet: service slow\n" {
		t.Errorf("/ready says %q", why)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	const waits = "no response yet): requests wait for endpoints"
	if text := run(t, path, "explain", "GET", "http://a/", "--admin-listen",
		strings.TrimPrefix(g.admin, "http://")); !strings.Contains(text, waits) {
		t.Errorf("explain says\n%s", text)
	}
	tell()
	if got := <-raw; !strings.HasSuffix(got, "slow") {
		t.Errorf("the TCP listener gave %q", got)
	}
	g.answers("/", http.StatusOK, "slow")
	requests.none(t)
	g.wait("nobody to wait", func(s status) bool { return s.Clusters[0].Awaiting == 0 && !s.Clusters[0].Unknown })
}

// rawRequest is what comes back of a request on a connection of its own.
func rawRequest(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(longestWait))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
