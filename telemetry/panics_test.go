package telemetry

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Every panic is counted. The log has one a second, with its stack, and how many it does not have.
func TestPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		logger := hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true})
		var p Panics
		if s := p.Status(); s != (PanicStatus{}) {
			t.Errorf("before the first: %+v", s)
		}
		start := time.Now()
		p.Recovered(L7, logger, "a request", "first", []byte("stack 1"))
		for range 3 {
			p.Recovered(L7, logger, "a request", "second", []byte("stack 2"))
		}
		<-time.After(panicLogEvery)
		p.Recovered(L4, logger, "a connection", "third", []byte("stack 3"))
		const want = "[ERROR] BUG: panic in a request: panic=first stack=\"stack 1\"\n" +
			"[ERROR] BUG: panic in a connection: panic=third stack=\"stack 3\" not_logged=3\n"
		if log.String() != want {
			t.Errorf("the log has\n%s\nwant\n%s", &log, want)
		}
		if s, want := p.Status(), (PanicStatus{4, 1, "a connection", start.Add(panicLogEvery)}); s != want {
			t.Errorf("status %+v, want %+v", s, want)
		}
	})
}
