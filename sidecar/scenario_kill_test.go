package sidecar_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// kills is how often TestKilledAtAnyMoment kills a gateway: some times among the other tests, more with `make kills`.
var kills = flag.Int("kills", 20, "how often TestKilledAtAnyMoment kills a gateway")

// changing is a Consul whose document and instances change all the time.
type changing struct {
	t      *testing.T
	consul *testserver.ConsulServer
	begun  atomic.Int64 // the newest document that may be there, by its number
	put    atomic.Int64 // and the newest that is there for certain

	stop    chan struct{}
	workers sync.WaitGroup
}

// document is number n: wherever it is whole, all of its routes tell n. /app leads to a service of which one instance is
// always there. It is as large as a key may be, so that it takes time to write.
func (c *changing) document(n int64) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("# "+strings.Repeat("-", 1021)+"\n", 450))
	b.WriteString("routes:\n  - {name: app, match: {path: /app}, cluster: c}\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  - {name: r%d, match: {path: /%d}, respond: {status: 200, body: \"%d\"}}\n", i, i, n)
	}
	b.WriteString("clusters: [{name: c, consul: {service: s}}]\n")
	return b.String()
}

// change begins the changes, which end with the test.
func (c *changing) change() {
	c.stop = make(chan struct{})
	again := func(pace time.Duration, do func(n int64)) {
		c.workers.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for n := int64(2); ; n++ {
				select {
				case <-c.stop:
					return
				case <-tick.C:
					do(n)
				}
			}
		})
	}
	environ := env{"CONSUL_HTTP_ADDR": c.consul.Addr(), "GATEWAY_SERVICE": "app"}
	// The trial of most documents is over before the next one comes. Under the race detector the gateway takes seconds
	// to apply one.
	pace := 700 * time.Millisecond
	if len(buildFlags) > 0 {
		pace *= 10
	}
	again(pace, func(n int64) {
		c.begun.Store(n)
		if n%3 != 0 {
			c.consul.KVPut("gateway/app/config", c.document(n))
		} else {
			pushes(c.t, environ, c.document(n))
		}
		c.put.Store(n)
	})
	instance := testserver.Service{Name: "s", ID: "s-2", Port: port(c.t, app(c.t, "app"))}
	again(15*time.Millisecond, func(n int64) {
		if n%2 == 0 {
			c.consul.Register(instance)
		} else {
			c.consul.Deregister(instance.ID)
		}
	})
	c.t.Cleanup(func() {
		close(c.stop)
		c.workers.Wait()
	})
}

// whole tells that a gateway serves one whole document, which was there, and gives its number. While Consul is there it
// may go on to the next one between two requests.
func (c *changing) whole(t *testing.T, g *gateway) (n int64) {
	t.Helper()
	for range 1000 {
		first, middle, last := g.body("/0"), g.body("/100"), g.body("/199")
		if first != g.body("/0") {
			continue // another one came
		}
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || middle != first || last != first || n < 1 || n > c.begun.Load() {
			t.Fatalf("serves %q, %q and %q of %d documents, want a whole one", first, middle, last, c.begun.Load())
		}
		g.now("/app", http.StatusOK, "app")
		return n
	}
	t.Fatal("it did not come to rest")
	return 0
}

// Killed at any moment while documents and instances change, a gateway starts with a whole revision. That is the one
// before or the one after, with Consul and without. With -v it prints figures.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	c := &changing{t: t, consul: testserver.Consul(t)}
	c.consul.Register(testserver.Service{Name: "s", ID: "s-1", Port: port(t, app(t, "app"))})
	c.consul.KVPut("gateway/app/config", c.document(1))
	c.begun.Store(1)
	c.put.Store(1)
	// A short probation: what serves is written every second.
	environ := env{"CONSUL_HTTP_ADDR": c.consul.Addr(), "GATEWAY_STATE_DIR": stateDir(t), "GATEWAY_PROBATION": "1ms"}
	away := maps.Clone(environ)
	away["CONSUL_HTTP_ADDR"] = testserver.Addr(t)
	g := launch(t, environ)
	g.answers("/0", http.StatusOK, "1")
	g.stop()
	c.change()

	kept, news, old := int64(1), 0, 0
	times := *kills
	if testserver.Race { // a start takes seconds, and what is killed tells of no race
		times = max(times/5, 4)
	}
	for i := range times {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			g := serve(t, environ)
			c.whole(t, g)
			moment := rand.N(150 * time.Millisecond)
			switch i % 4 {
			case 1: // while the state is written
				g.writing(environ["GATEWAY_STATE_DIR"], func() {})
				moment = rand.N(longestWrite)
				spin(moment)
			case 2: // and while it is written at the end
				g.writing(environ["GATEWAY_STATE_DIR"], func() { g.signal(syscall.SIGTERM) })
				moment = rand.N(longestWrite)
				spin(moment)
			case 3: // and behind a write
				g.writing(environ["GATEWAY_STATE_DIR"], func() {})
				<-time.After(moment)
			default:
				<-time.After(moment) // any will do
			}
			g.kill()

			g = serve(t, away)
			n := c.whole(t, g)
			if n < kept {
				t.Errorf("killed after %v, it starts with document %d, but it had kept %d", moment, n, kept)
			}
			if n > kept {
				news++
			} else {
				old++
			}
			kept = n
			<-time.After(rand.N(20 * time.Millisecond))
			g.kill()
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills during %d documents: the start without Consul served a newer one than before %d times, "+
		"the same %d times", 2*times, c.put.Load(), news, old)
}

// longestWrite is how long a write of the state takes, at least in part, once it was seen to begin.
const longestWrite = 500 * time.Microsecond

// writing does something, and waits until the state is being written or the process has ended. The sign is that a file
// of the directory comes, goes, or has another length or time. It looks again at once: a write is over within a
// millisecond. On a busy machine it may see the end of a write alone.
func (g *gateway) writing(dir string, do func()) {
	g.t.Helper()
	type file struct{ bytes, written int64 }
	look := func() (all [3]file) {
		for i, name := range []string{"last-good.json", "last-good.json.new", "last-good.trees.new"} {
			all[i] = file{bytes: -1}
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
				all[i] = file{info.Size(), info.ModTime().UnixNano()}
			}
		}
		return all
	}
	before, until := look(), time.Now().Add(longestWait)
	do()
	for look() == before {
		select {
		case <-g.exited:
			return
		default:
		}
		if time.Now().After(until) {
			g.t.Fatalf("the state was not written within %v", longestWait)
		}
	}
}

// spin waits for less than a timer can.
func spin(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
	}
}

// kill ends the process wherever it is; it may have ended.
func (g *gateway) kill() {
	g.t.Helper()
	_ = g.cmd.Process.Kill()
	<-g.exited
}
