package sidecar_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is the way from one gateway to Consul, with faults: on connections and on single responses.
type wire struct {
	server    *httptest.Server
	transport *http.Transport

	mu sync.Mutex
	// +checklocks:mu
	way way
	// +checklocks:mu
	conns map[*wireConn]struct{}
	// +checklocks:mu
	changed chan struct{} // closed when it is another
	// +checklocks:mu
	parked int // requests that block
	// +checklocks:mu
	probed bool // there was a request that asks for no more than a response
}

// way is what a wire does.
type way struct {
	target  string
	refuses bool  // new connections are reset
	loses   bool  // on new connections nothing gets through
	rule    *rule // nil = all responses pass
}

// rule is a fault of responses.
type rule struct {
	only  func(*http.Request) bool                 // nil = all requests
	reply func(http.ResponseWriter, *http.Request) // in place of Consul's response; nil = it is awaited
	alter func(http.ResponseWriter, *http.Request, *reply)
}

// reply is what Consul said.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	w := &wire{
		transport: &http.Transport{}, way: way{target: target},
		conns: map[*wireConn]struct{}{}, changed: make(chan struct{}),
	}
	w.server = httptest.NewUnstartedServer(w)
	w.server.Listener = &wireListener{w.server.Listener, w}
	w.server.Start()
	t.Cleanup(func() {
		w.breakAll()
		w.server.Close()
		w.transport.CloseIdleConnections()
	})
	return w
}

func (w *wire) addr() string { return w.server.Listener.Addr().String() }

// set changes what the wire does.
func (w *wire) set(change func(*way)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.way)
	close(w.changed)
	w.changed = make(chan struct{})
}

// breakAll resets all connections.
func (w *wire) breakAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.reset()
	}
}

// loseAll has nothing get through any more on the connections there are. They stay open.
func (w *wire) loseAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.lose()
	}
}

// idle tells whether the gateway waits for news.
func (w *wire) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parked == 2 && w.probed
}

func (w *wire) now(r *http.Request) (target string, now *rule, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if is := w.way.rule; is != nil && (is.only == nil || is.only(r)) {
		now = is
	}
	return w.way.target, now, w.changed
}

func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.count(r, 1)
	defer w.count(r, -1)
	body, _ := io.ReadAll(r.Body) // before its end, that of the connection is not noticed
	target, now, changed := w.now(r)
	if now != nil && now.reply != nil {
		now.reply(out, r)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	answered := make(chan *reply, 1)
	go func() { answered <- w.ask(ctx, r, body, target) }() // ends with ctx at the latest
	for {
		var said *reply
		select {
		case said = <-answered:
		case <-changed:
		}
		_, now, changed = w.now(r)
		switch {
		case now != nil && now.reply != nil:
			now.reply(out, r)
			return
		case said == nil && ctx.Err() != nil:
			return
		case said == nil: // not yet
			continue
		case now != nil:
			now.alter(out, r, said)
			return
		}
		said.send(out, len(said.body))
		return
	}
}

func (w *wire) count(r *http.Request, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.URL.Query().Has("index") {
		w.parked += n
	}
	w.probed = w.probed || strings.HasPrefix(r.URL.Path, "/v1/status/")
}

// ask passes a request on. Without a response it is as if Consul had a fault of its own.
func (w *wire) ask(ctx context.Context, r *http.Request, content []byte, target string) *reply {
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+target+r.RequestURI, bytes.NewReader(content))
	if err != nil {
		return &reply{http.StatusInternalServerError, http.Header{}, nil}
	}
	req.Header = r.Header
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return &reply{http.StatusBadGateway, http.Header{}, []byte(err.Error())}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return &reply{http.StatusBadGateway, http.Header{}, []byte(err.Error())}
	}
	return &reply{resp.StatusCode, resp.Header, body}
}

// send writes a response of which only so many bytes come.
func (a *reply) send(out http.ResponseWriter, part int) {
	maps.Copy(out.Header(), a.header)
	out.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	out.WriteHeader(a.status)
	_, _ = out.Write(a.body[:part]) // the gateway may have given up
	_ = http.NewResponseController(out).Flush()
}

type wireListener struct {
	net.Listener
	w *wire
}

func (l *wireListener) Accept() (net.Conn, error) {
	for {
		in, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &wireConn{Conn: in, w: l.w, gone: make(chan struct{})}
		if l.w.takes(c) {
			return c, nil
		}
		c.reset()
	}
}

func (w *wire) takes(c *wireConn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.way.refuses {
		return false
	}
	if w.way.loses {
		c.lose()
	}
	w.conns[c] = struct{}{}
	return true
}

// wireConn is a connection of the gateway.
type wireConn struct {
	net.Conn
	w    *wire
	once sync.Once
	gone chan struct{} // closed when nothing gets through any more
}

func (c *wireConn) lose() { c.once.Do(func() { close(c.gone) }) }

func (c *wireConn) lost() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// reset ends the connection so that the gateway sees an error.
func (c *wireConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closed all the same
	}
	c.Conn.Close()
}

func (c *wireConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.lost() {
			return n, err
		}
	}
}

func (c *wireConn) Write(b []byte) (int, error) {
	if c.lost() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Close() error {
	c.w.mu.Lock()
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	return c.Conn.Close()
}

// hangs is a reply that never comes.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// says is a reply of a status.
func says(status int, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/") // of redirects
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // the gateway may have given up
	}
}

// late is a reply after a time.
func late(by time.Duration) func(http.ResponseWriter, *http.Request, *reply) {
	return func(w http.ResponseWriter, r *http.Request, a *reply) {
		select {
		case <-time.After(by):
			a.send(w, len(a.body))
		case <-r.Context().Done():
		}
	}
}

// edits is a reply that is changed.
func edits(edit func(*reply)) func(http.ResponseWriter, *http.Request, *reply) {
	return func(w http.ResponseWriter, _ *http.Request, a *reply) {
		edit(a)
		a.send(w, len(a.body))
	}
}
