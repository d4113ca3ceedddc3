package consul

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// clearEnvironment takes away what the machine's user may have set for Consul.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_AUTH",
		"CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY", "CONSUL_CACERT", "CONSUL_CAPATH",
		"CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_TLS_SERVER_NAME", "CONSUL_NAMESPACE", "CONSUL_PARTITION",
	} {
		t.Setenv(name, "")
	}
}

// newConsul is a client of addr that blocks for a short time.
func newConsul(t *testing.T, addr string, set ...func(*Options)) *Client {
	t.Helper()
	clearEnvironment(t)
	options := Options{Address: addr, Version: "test", Wait: 5 * time.Second}
	for _, f := range set {
		f(&options)
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.link.Load().http.CloseIdleConnections)
	return c
}

// fakeConsul answers with what a test has put in, where a real one could not be
// made to.
func fakeConsul(t *testing.T, answer http.HandlerFunc, set ...func(*Options)) *Client {
	t.Helper()
	testserver.Goroutines(t)
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return newConsul(t, server.Listener.Addr().String(), set...)
}

// say writes a response as Consul does.
func say(w http.ResponseWriter, index string, body string, header ...string) {
	w.Header().Set("X-Consul-Index", index)
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	fmt.Fprint(w, body)
}

// proxy is a wire to a server that can be cut or held.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex // guards all below
	conns  map[net.Conn]struct{}
	down   bool
	frozen map[net.Conn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(in, out) {
			in.Close()
			continue
		}
		p.running.Go(func() { p.pass(in, out) })
		p.running.Go(func() { p.pass(out, in) })
	}
}

func (p *proxy) pass(to, from net.Conn) {
	_, _ = io.Copy(&wire{p, to}, from) // ends when either is closed
	to.Close()
	from.Close()
}

// wire is one direction of a connection.
type wire struct {
	p  *proxy
	to net.Conn
}

func (w *wire) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	lost := w.p.frozen[w.to]
	w.p.mu.Unlock()
	if lost {
		return len(b), nil
	}
	return w.to.Write(b)
}

// freeze has nothing get through any more on the connections there are. None is
// closed, and new ones work.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = map[net.Conn]bool{}
	for c := range p.conns {
		p.frozen[c] = true
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		for _, c := range conns {
			c.Close()
		}
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

// connections counts those that were let through since cut.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

// cut breaks every connection and lets no new one through until mend.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}
