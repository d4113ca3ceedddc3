package proxy_test

import (
	"testing"

	"golang.org/x/net/http2"
)

// ways are routes whose requests are relayed, and whose requests have a goroutine.
var ways = map[string]string{"relayed": "", "with a goroutine": `retries: {on: ["503"]}`}

// An endpoint that takes no streams for a moment is waited for, as one is that takes one at a time.
func TestNoStreamsForAMoment(t *testing.T) {
	streams := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n} }
	for name, route := range ways {
		t.Run(name+", at first", func(t *testing.T) {
			e := listen(t)
			g := start(t, clustered(route, "protocol: http2", e.addr))
			down := g.dial2()
			down.Ask(1, true, "GET", "/")
			up := e.accept2(streams(0))
			up.Sync() // a request that came before would be lost, and missed below
			up.Must(up.WriteSettings(streams(100)))
			up.Head(up.Any().StreamID, true, ":status", "200")
			down.Answer(1, "200")
		})
		t.Run(name+", later", func(t *testing.T) {
			_, e, down, up := relaying(t, route)
			up.Must(up.WriteSettings(streams(0)))
			up.Sync()
			down.Ask(3, true, "GET", "/")
			down.Ask(5, true, "GET", "/")
			down.Sync()
			up.Sync()
			up.Must(up.WriteSettings(streams(100)))
			up.Head(up.Any().StreamID, true, ":status", "200")
			up.Head(up.Any().StreamID, true, ":status", "200")
			for range 2 { // in any order
				if status := down.Any().PseudoValue("status"); status != "200" {
					t.Errorf("answered with %s", status)
				}
			}
			e.unused() // nobody tried other connections meanwhile
		})
	}
}

// An endpoint that goes away at once says which requests it did not process. These are sent again, whatever their
// method, with what has been read of their bodies.
func TestGoAwayInOnePhase(t *testing.T) {
	for name, route := range ways {
		for _, whole := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", the whole body", false: ", a part of the body"}[whole],
				func(t *testing.T) {
					_, e, down, up := relaying(t, route)
					down.Ask(3, false, "POST", "/orders")
					down.Must(down.WriteData(3, whole, []byte("small")))
					up.Text(up.Any().StreamID, "small")
					up.Must(up.WriteGoAway(1, http2.ErrCodeNo, nil))
					up.w.Close()

					next := e.accept2()
					h := next.Any()
					if got := h.PseudoValue("method") + " " + h.PseudoValue("path"); got != "POST /orders" {
						t.Errorf("%s was sent again", got)
					}
					if end := next.Text(h.StreamID, "small"); end && !whole {
						t.Error("it ended before its client ended it")
					}
					if !whole {
						down.Must(down.WriteData(3, true, []byte(" rest")))
						next.Text(h.StreamID, " rest")
					}
					next.Head(h.StreamID, true, ":status", "200")
					down.Answer(3, "200")
				})
		}
	}
}
