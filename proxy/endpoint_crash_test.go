package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// load is a number of clients that ask one after the other without pause.
type load struct {
	g             *gateway
	request       string
	stop          chan struct{}
	clients       sync.WaitGroup
	asked, failed atomic.Int64
	once          sync.Once  // closes stop
	mu            sync.Mutex // guards what follows
	faults        map[string]int
	sent          []time.Time // when the requests that failed were sent
}

// burden starts n clients.
func burden(g *gateway, n int, request string) *load {
	l := &load{g: g, request: request, stop: make(chan struct{}), faults: map[string]int{}}
	for range n {
		l.clients.Go(l.client)
	}
	g.t.Cleanup(l.end)
	return l
}

// end stops the clients and waits for their last answers.
func (l *load) end() {
	l.once.Do(func() { close(l.stop) })
	l.clients.Wait()
}

// client asks on one connection, and on a new one when that ended.
func (l *load) client() {
	var c net.Conn
	var r *bufio.Reader
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", l.g.addr); err != nil {
				l.fault(err.Error(), time.Now())
				return
			}
			_ = c.SetDeadline(time.Now().Add(2 * patience))
			r = bufio.NewReader(c)
		}
		l.asked.Add(1)
		sent := time.Now()
		if what, keep := ask(c, r, l.request); what != "" {
			l.fault(what, sent)
			if !keep {
				c.Close()
				c = nil
			}
		}
	}
}

// ask sends a request and says what was wrong with the answer, and whether the connection is good for another.
func ask(c net.Conn, r *bufio.Reader, request string) (what string, keep bool) {
	if _, err := io.WriteString(c, request); err != nil {
		return err.Error(), false
	}
	res, err := http.ReadResponse(r, &http.Request{Method: method(request)})
	if err != nil {
		return err.Error(), false
	}
	defer res.Body.Close()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err.Error(), false
	case res.StatusCode != 200:
		return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(string(body))), !res.Close
	}
	return "", !res.Close
}

func (l *load) fault(what string, sent time.Time) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[what]++
	l.sent = append(l.sent, sent)
}

// failedAfter is how many of the requests that failed were sent after that moment.
func (l *load) failedAfter(at time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sent := range l.sent {
		if sent.After(at) {
			n++
		}
	}
	return n
}

// more waits until n more requests were sent.
func (l *load) more(n int64) {
	l.g.t.Helper()
	from := l.asked.Load()
	testserver.WaitFor(l.g.t, patience, "more requests", func() bool { return l.asked.Load() >= from+n })
}

// Three nginx under load, one of which is killed and comes back. Whoever was not in flight on it does not notice, and
// with retries nobody does.
func TestEndpointIsKilledUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for some seconds")
	}
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	for _, tt := range []struct {
		name, retries, request string
		none                   bool // of the requests may fail
	}{
		{"POST, nothing said", "", post, false},
		{"POST, retries", "retries: {attempts: 3, on: [connect-failure, reset]}", post, true},
		{"GET, retries", "retries: {attempts: 3, on: [connect-failure, reset]}", get("/"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, r *http.Request) {
				select { // so that there is something in flight
				case <-time.After(5 * time.Millisecond):
				case <-r.Context().Done():
				}
			})
			var all []*testserver.NginxServer
			var addrs []string
			for range 3 {
				s := testserver.Nginx(t, "location / { proxy_pass http://"+app+"; }")
				all, addrs = append(all, s), append(addrs, s.Addr())
			}
			g := start(t, clustered(tt.retries, "passive_health: {base_ejection: 200ms, max_ejection: 200ms}",
				addrs...))
			stopTicking := g.tick()
			defer stopTicking()
			l := burden(g, 24, tt.request)
			defer l.end()
			victim := func() int64 { return g.set.Status()[0].Endpoints[1].InFlight }

			l.more(1500)
			if n := l.failed.Load(); n != 0 {
				t.Fatalf("%d failures before anything happened: %v", n, l.faults)
			}
			inFlight := victim()
			all[1].Stop()
			dead := time.Now()
			l.more(3000)
			killed := l.failed.Load()
			all[1].Start()
			g.back(1)
			l.more(1500)
			l.end()
			late := l.failedAfter(dead) // the others were in flight at that instant
			t.Logf("%d requests, about %d in flight on the endpoint when it was killed: %d failed, %d of them sent "+
				"after that: %v",
				l.asked.Load(), inFlight, killed, late, l.faults)
			switch {
			case tt.none && killed > 0:
				t.Errorf("%d requests failed, want none", killed)
			case late > 0:
				t.Errorf("%d requests failed that were not in flight", late)
			case l.failed.Load() > killed:
				t.Errorf("%d requests failed after the endpoint had come back", l.failed.Load()-killed)
			}
		})
	}
}

// tick keeps the clock of the clusters, as Set.Run does, until the function that it returns is called.
func (g *gateway) tick() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	t := time.NewTicker(50 * time.Millisecond)
	go func() {
		defer close(done)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				g.set.Tick()
			}
		}
	}()
	return func() { close(end); <-done }
}

// back waits until an endpoint is in use again.
func (g *gateway) back(endpoint int) {
	g.t.Helper()
	g.state(endpoint, "healthy")
}
