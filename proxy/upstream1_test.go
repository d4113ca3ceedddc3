package proxy

import (
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

func TestKeepFor(t *testing.T) {
	for field, want := range map[string]time.Duration{
		"": 0, "Keep-Alive: timeout=60": 59 * time.Second, "Keep-Alive: timeout=2": time.Second, "Keep-Alive: timeout=1": -1, "Keep-Alive: timeout=0": 0,
		"Keep-Alive: max=100, TimeOut=5": 4 * time.Second, "Keep-Alive: timeout=-5": 0, "Keep-Alive: timeout=": 0, "Keep-Alive: timeout=99999999999999999999": 0,
		"Keep-Alive: 300": 0, "Keep-Alive: xtimeout=5": 0,
	} {
		if field != "" {
			field += "\r\n"
		}
		var h message.Head
		lim := http1.DefaultLimits()
		if err := http1.ParseResponse([]byte("HTTP/1.1 200 OK\r\n"+field+"\r\n"), &h, &lim, false); err != nil {
			t.Fatal(err)
		}
		if got := keepFor(&h); got != want {
			t.Errorf("keepFor(%q) = %v, want %v", field, got, want)
		}
	}
}

func TestRetryBudget(t *testing.T) {
	for _, tt := range []struct {
		inFlight int64
		share    float64
		want     int // places
	}{{0, 0.2, 3}, {10, 0.2, 3}, {20, 0.2, 4}, {100, 0.2, 20}, {100, 1, 100}, {5, 0, 200}} {
		var b retryBudget
		n := 0
		for n < 200 && b.take(tt.inFlight, tt.share) {
			n++
		}
		if n != tt.want {
			t.Errorf("%d in flight, share %v: %d places, want %d", tt.inFlight, tt.share, n, tt.want)
		}
		b.give(1)
		if n < 200 && !b.take(tt.inFlight, tt.share) {
			t.Errorf("%d in flight, share %v: a place given back is not taken", tt.inFlight, tt.share)
		}
	}
}
