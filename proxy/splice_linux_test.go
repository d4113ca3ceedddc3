package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// openPipes counts the ends of pipes that this process has.
func openPipes(t *testing.T) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// Large sized bodies go by splice, both ways: whole, counted, and with what comes behind them left where it is.
func TestLargeSizedBodies(t *testing.T) {
	const size = 3_000_001
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", sum(r.Body))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.Copy(w, random(2, size))
	})
	log := newLog(t)
	g := start(t, to(app), log.use)
	before := openPipes(t)
	c := g.dial()
	for i := range 3 {
		head := fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", i, size)
		sent := make(chan error, 1)
		go func() {
			body, next := random(1, size), strings.NewReader(get("/next"))
			_, err := io.Copy(c, io.MultiReader(strings.NewReader(head), body, next))
			sent <- err
		}()
		for _, request := range []int{size, 0} {
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := sum(res.Body), sum(random(2, size)); got != want {
				t.Errorf("the response arrived as %s, want %s", got, want)
			}
			if got, want := res.Header.Get("X-Got"), sum(random(1, int64(request))); got != want {
				t.Errorf("the request arrived as %s, want %s", got, want)
			}
			res.Body.Close()
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	if n := openPipes(t); n != before+2 {
		t.Errorf("%d ends of pipes more than before, want those of one pipe", n-before)
	}
	for i, line := range log.lines(6) {
		read := map[bool]float64{true: size, false: 0}[i%2 == 0]
		if got := line["bytes_written"].(float64); got < size || got > size+500 {
			t.Errorf("line %d: bytes_written = %v, want %d and a head", i, got, size)
		}
		if got := line["bytes_read"].(float64); got < read || got > read+100 {
			t.Errorf("line %d: bytes_read = %v, want %v and a head", i, got, read)
		}
	}
}

// Whoever breaks off in the middle of a body that is spliced ends the other side too.
func TestSplicedBodyBreaksOff(t *testing.T) {
	const size, part = 8 << 20, 1 << 20
	head := fmt.Sprintf("Content-Length: %d\r\n\r\n", size)
	for _, row := range []struct {
		name string
		do   func(t *testing.T, c, up *wire)
		flag telemetry.Flag
	}{
		{"the endpoint, in its response", func(_ *testing.T, c, up *wire) {
			up.finish()
			c.broken()
		}, telemetry.UC},
		{"the endpoint, in its response, by a reset", func(_ *testing.T, c, up *wire) {
			up.reset()
			c.broken()
		}, telemetry.UC},
		{"the endpoint, which is silent", func(_ *testing.T, c, up *wire) {
			c.broken()
			up.ended()
		}, telemetry.UT},
		{"the client", func(_ *testing.T, c, up *wire) {
			c.reset()
			up.ended()
		}, telemetry.DC},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := listen(t)
			idle := ""
			if row.flag == telemetry.UT {
				idle = "timeouts: {response_idle: 300ms}"
			}
			g := start(t, timeouts()+routed(e.addr, idle))
			c := g.dial()
			c.t = t
			c.send(get("/"))
			up := e.accept()
			up.t = t
			up.head()
			up.send("HTTP/1.1 200 OK\r\n" + head)
			c.head()
			go func() { _, _ = up.Write(make([]byte, part)) }() // the reads tell
			if _, err := io.CopyN(io.Discard, c.r, part); err != nil {
				t.Fatal(err)
			}
			row.do(t, c, up)
			g.counted(row.flag, 1)
		})
	}
	for _, row := range []struct {
		name string
		do   func(t *testing.T, c, up *wire)
		flag telemetry.Flag
	}{
		{"the client, in its request", func(_ *testing.T, c, up *wire) {
			c.reset()
			up.ended()
		}, telemetry.DC},
		{"the endpoint, in the request", func(_ *testing.T, c, up *wire) {
			up.reset()
			c.status(502)
		}, telemetry.UC},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.t = t
			c.send("POST / HTTP/1.1\r\nHost: a\r\n" + head)
			up := e.accept()
			up.t = t
			up.head()
			go func() { _, _ = c.Write(make([]byte, part)) }()
			if _, err := io.CopyN(io.Discard, up.r, part); err != nil {
				t.Fatal(err)
			}
			row.do(t, c, up)
			g.counted(row.flag, 1)
		})
	}
}
