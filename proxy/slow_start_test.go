package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// An endpoint that comes back has a tenth of its weight at first, in every pair of versions. Where there is no slow
// start it has all of it.
func TestSlowStartInEachVersion(t *testing.T) {
	const requests = 110
	for _, tt := range []struct {
		slowStart string
		want      int // of the requests
	}{
		{"1h", requests / 11}, // 0.1 of 1.1
		{"0s", requests / 2},
	} {
		t.Run(tt.slowStart, func(t *testing.T) {
			var broken atomic.Bool
			eachPairOf(t, func(name string) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					if name == "bad" && broken.Load() {
						w.WriteHeader(http.StatusServiceUnavailable)
					}
					_, _ = io.WriteString(w, name)
				}
			}, func(addr func(string) string, protocol string) string {
				return clustered("", fmt.Sprintf("protocol: %s, slow_start: %s, passive_health: "+
					"{consecutive_failures: 1, base_ejection: 1ms}", protocol, tt.slowStart), addr("good"), addr("bad"))
			}, func(t *testing.T, g *gateway, c *http.Client) {
				ask := func() string {
					t.Helper()
					_, body := send(t, c, "http://"+g.addr, "")
					return body
				}
				state := func() string {
					for _, e := range g.Clusters["app"].Status().Endpoints {
						if e.State != "healthy" {
							return e.Passive.State
						}
					}
					return "healthy"
				}
				broken.Store(true)
				for ask() != "bad" { // one of two
				}
				testserver.WaitFor(t, patience, "the endpoint to be ejected", func() bool {
					return state() == "ejected"
				})
				broken.Store(false)
				testserver.WaitFor(t, patience, "the end of the ejection", func() bool {
					g.Set.Tick() // nobody else does in a test
					return state() == "probing"
				})
				for ask() != "bad" {
				}
				testserver.WaitFor(t, patience, "the endpoint to return", func() bool { return state() == "healthy" })
				got := 0
				for range requests {
					if ask() == "bad" {
						got++
					}
				}
				if got < tt.want-2 || got > tt.want+2 {
					t.Errorf("%d of %d requests go to the endpoint that came back, want %d", got, requests, tt.want)
				}
			})
		})
	}
}
