package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// listening is a document with listeners at these addresses and one route to one endpoint.
func listening(up string, listeners ...string) string {
	doc := "listeners:\n"
	for _, l := range listeners {
		name, addr, _ := strings.Cut(l, "=")
		doc += "- {name: " + name + ", address: \"" + addr + "\", protocol: http}\n"
	}
	return doc + to(up)
}

// at asks the gateway at an address.
func (g *gateway) at(addr, raw string) (status int) {
	g.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0
	}
	w := newWire(g.t, c)
	defer c.Close()
	w.send(raw)
	res, _ := w.response(method(raw))
	return res.StatusCode
}

func TestRequestInFlightNeverNoticesARevision(t *testing.T) {
	log := newLog(t)
	e := listen(t)
	g := start(t, to(e.addr), log.use)
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	up := e.accept()
	up.head()
	for i := range 100 {
		g.apply(fmt.Sprintf("routes:\n- {name: other%d, match: {path_prefix: /other}, cluster: gone}\nclusters:\n- "+
			"{name: gone, endpoints: [\"127.0.0.1:1\"]}\n", i))
		if i%10 == 0 {
			c.send("1\r\nx\r\n")
			up.expect("1\r\nx\r\n")
		}
	}
	c.send("0\r\n\r\n")
	up.expect("0\r\n\r\n")
	up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.head()
	g.apply("routes: []\nclusters: []\n")
	up.send("2\r\nok\r\n0\r\n\r\n")
	c.expect("2\r\nok\r\n0\r\n\r\n")
	c.send(get("/")) // the same connection, the newest revision
	c.status(404)
	lines := log.lines(2)
	if lines[0]["route"] != "all" || lines[0]["cluster"] != "app" || lines[0]["revision"] == lines[1]["revision"] {
		t.Errorf("lines = %v", lines)
	}
	up.ended() // its cluster is gone, so the connection is not kept
}

func TestRequestsAreServedWhileRevisionsChange(t *testing.T) {
	up := echo(t)
	g := start(t, to(up))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		c := g.dial()
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Write([]byte(get("/"))); err != nil {
					t.Error(err)
					return
				}
				res, err := readHead(c.r)
				if err != nil || !strings.HasPrefix(res, "HTTP/1.1 200 ") {
					t.Errorf("answer = %q, %v", res, err)
					return
				}
				if _, err := readHead(c.r); err != nil { // the echoed head is the body
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 100 {
		g.apply(routed(up, fmt.Sprintf("timeouts: {upstream: %ds}", i+1)))
	}
	close(stop)
	clients.Wait()
}

func TestListenersComeAndGo(t *testing.T) {
	up := echo(t)
	one, two := testserver.Addr(t), testserver.Addr(t)
	g := start(t, listening(up, "web="+one))
	g.addr = one
	old := g.dial()
	old.send(get("/"))
	old.status(200)

	g.apply(listening(up, "web="+one, "more="+two))
	if got := g.at(two, get("/")); got != 200 {
		t.Errorf("status at the new listener = %d", got)
	}
	g.apply(listening(up, "more="+two))
	if got := g.at(one, get("/")); got != 0 {
		t.Errorf("the removed listener answers %d", got)
	}
	old.send(get("/")) // its connections live on
	old.status(200)
	if _, _, ok := g.server.Listener("web"); ok {
		t.Error("the removed listener is still told of")
	}
	g.apply(listening(up, "web="+one, "more="+two))
	if got := g.at(one, get("/")); got != 200 {
		t.Errorf("status at the listener that came back = %d", got)
	}
}

// The address is what a listener is: another name for it closes nothing.
func TestListenerIsRenamed(t *testing.T) {
	up := echo(t)
	addr := testserver.Addr(t)
	named := func(name string) string {
		return strings.Replace(listening(up, name+"="+addr), "match: {path_prefix: /}",
			"match: {path_prefix: /}, listeners: ["+name+"]", 1)
	}
	g := start(t, named("before"))
	g.addr = addr
	old := g.dial()
	old.send(get("/"))
	old.status(200)
	g.apply(named("after"))
	old.send(get("/")) // on the same connection, by the new name
	old.status(200)
	if got := g.at(addr, get("/")); got != 200 {
		t.Errorf("status = %d", got)
	}
	if at, _, ok := g.server.Listener("after"); !ok || at != addr {
		t.Errorf("Listener(after) = %q, %v", at, ok)
	}
	if _, _, ok := g.server.Listener("before"); ok {
		t.Error("the old name is still told of")
	}
}

// A port that is taken fails the revision before anything of it can be seen.
func TestFailingRevisionChangesNothing(t *testing.T) {
	up := echo(t)
	one, two := testserver.Addr(t), testserver.Addr(t)
	taken := testserver.Listen(t)
	g := start(t, listening(up, "web="+one))
	g.addr = one
	c := g.dial()
	c.send(get("/"))
	c.status(200)
	_, _, err := g.prepare("listeners:\n- {name: web, address: \"" + one +
		"\", protocol: http}\n- {name: b, address: \"" + two + "\", protocol: http}\n" +
		"- {name: c, address: \"" + taken.Addr().String() + "\", protocol: http}\nroutes: []\nclusters: []\n")
	if err == nil || !strings.HasPrefix(err.Error(), "listener \"c\": listen tcp "+taken.Addr().String()) {
		t.Fatalf("Prepare = %v, want that the port of c is taken", err)
	}
	c.send(get("/"))
	c.status(200)
	ln, err := net.Listen("tcp", two) // what was opened before it failed is closed again
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	g.apply(listening(up, "web="+one, "b="+two))
	if got := g.at(two, get("/")); got != 200 {
		t.Errorf("status = %d", got)
	}
}

// Idle and write timeouts and the like are those of the revision that serves, on old connections too.
func TestConnectionsFollowTheRevision(t *testing.T) {
	up := echo(t)
	g := start(t, to(up))
	c := g.dial()
	c.send(get("/"))
	c.status(200)
	g.apply("limits: {max_body: 1}\n" + to(up))
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
	c.status(413)
	g.apply(timeouts("idle") + to(up))
	c = g.dial()
	runsOut(t, func() {
		c.send(get("/"))
		c.status(200)
		c.ended()
	})
}

func TestEndpointStateSurvivesARevision(t *testing.T) {
	bad := fails(t, unavailable)
	good := replies(t, ok("good"))
	document := func(timeout string) string {
		return clustered("timeouts: {upstream: "+timeout+"}",
			"passive_health: {consecutive_failures: 2, base_ejection: 60s}", bad.addr, good)
	}
	g := start(t, document("5s"))
	for range 20 {
		g.ask(get("/"))
	}
	if n := g.registry.Cluster("app").Ejections.Load(); n != 1 {
		t.Fatalf("ejections = %d, want 1", n)
	}
	asked := bad.hits.Load()
	g.apply(document("6s"))
	for range 6 {
		if _, body := g.ask(get("/")); body != "good" {
			t.Errorf("body = %q", body)
		}
	}
	if n := bad.hits.Load(); n != asked {
		t.Errorf("the ejected endpoint was asked %d times", n-asked)
	}
}
