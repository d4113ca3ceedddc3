package sidecar_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// keeper is a client that keeps one connection busy for as long as it is told that it may, and not longer. None of its
// requests is lost by an end in good order.
type keeper struct {
	conn     net.Conn
	r        *bufio.Reader
	answered int
}

func newKeeper(t testing.TB, address string) *keeper {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &keeper{conn: conn, r: bufio.NewReader(conn)}
}

// ask asks once, and tells whether the connection may be used again.
func (k *keeper) ask() (again bool, err error) {
	if err := k.conn.SetDeadline(time.Now().Add(longestWait)); err != nil {
		return false, err
	}
	if _, err := io.WriteString(k.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false, err
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d", resp.StatusCode)
	}
	k.answered++
	return !resp.Close, nil
}

// blocked is an app whose answers begin when the test says so.
type blocked struct {
	arrived chan struct{} // one for each request
	release chan struct{} // closed: answer
}

func newBlocked(t testing.TB) (address string, b *blocked) {
	t.Helper()
	b = &blocked{arrived: make(chan struct{}, 16), release: make(chan struct{})}
	return backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.arrived <- struct{}{}
		select {
		case <-b.release:
			_, _ = io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	})), b
}

// What is in flight finishes; what is new is refused; /ready says so at once.
func TestEndWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(t *testing.T, g *gateway)
	}{
		{"SIGTERM", func(_ *testing.T, g *gateway) { g.signal(syscall.SIGTERM) }},
		{"SIGINT", func(_ *testing.T, g *gateway) { g.signal(syscall.SIGINT) }},
		{"admin port", func(t *testing.T, g *gateway) {
			resp, err := client.Post(g.admin+"/drain", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("POST /drain = %d, want 202", resp.StatusCode)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			address, app := newBlocked(t)
			g := serve(t, env{"GATEWAY_APP": address, "GATEWAY_DRAIN_DELAY": "100ms"})
			idle := newKeeper(t, strings.TrimPrefix(g.url, "http://"))
			type answer struct {
				again bool
				err   error
			}
			answers := make(chan answer, 1)
			busy := newKeeper(t, strings.TrimPrefix(g.url, "http://"))
			go func() { // ends with its answer
				again, err := busy.ask()
				answers <- answer{again, err}
			}()
			<-app.arrived
			row.end(t, g)
			testserver.WaitFor(t, longestWait, "/ready to say why not", func() bool {
				code, why, _ := fetch(g.admin + "/ready")
				return code == http.StatusServiceUnavailable && why == "draining: the gateway is about to stop\n"
			})
			if s := g.status(); !s.Draining {
				t.Error("/status does not tell of the drain")
			}
			testserver.WaitFor(t, longestWait, "the listener to be closed", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
				if err == nil {
					conn.Close()
				}
				return errors.Is(err, syscall.ECONNREFUSED)
			})
			_ = idle.conn.SetReadDeadline(time.Now().Add(longestWait)) // it cannot fail on an open connection
			if _, err := idle.r.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("an idle connection: %v, want its end", err)
			}
			if g.ended() {
				t.Fatal("the gateway ended with a request in flight")
			}
			close(app.release)
			if a := <-answers; a.err != nil || a.again {
				t.Errorf("the request in flight: %v, again %v; want an answer with Connection: close", a.err, a.again)
			}
			if code := g.exit(longestWait); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

// What does not finish in time is cut.
func TestEndIsBounded(t *testing.T) {
	t.Parallel()
	address, app := newBlocked(t)
	g := serve(t, env{"GATEWAY_APP": address, "GATEWAY_DRAIN_TIMEOUT": "500ms"})
	k := newKeeper(t, strings.TrimPrefix(g.url, "http://"))
	cut := make(chan error, 1)
	go func() { // ends with the connection
		_, err := k.ask()
		cut <- err
	}()
	<-app.arrived
	begun := time.Now()
	g.signal(syscall.SIGTERM)
	if code := g.exit(longestWait); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if took := time.Since(begun); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("the end took %v, want a little more than the 500ms it may", took)
	}
	if err := <-cut; err == nil {
		t.Error("the request that hung was answered, want it cut")
	}
	if lines := g.logged("drained"); len(lines) != 1 || lines[0]["cut"] != 1.0 {
		t.Errorf("the log tells %v, want one connection cut", lines)
	}
}

// A second signal ends it at once, whatever is in flight.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	address, app := newBlocked(t)
	g := serve(t, env{"GATEWAY_APP": address})
	k := newKeeper(t, strings.TrimPrefix(g.url, "http://"))
	cut := make(chan error, 1)
	go func() { // ends with the connection
		_, err := k.ask()
		cut <- err
	}()
	<-app.arrived
	g.signal(syscall.SIGTERM)
	g.waitLogged("draining")
	g.signal(syscall.SIGTERM)
	if code := g.exit(2 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if err := <-cut; err == nil {
		t.Error("the request that hung was answered")
	}
}
