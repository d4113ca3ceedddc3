package proxy_test

import (
	"io"
	"net/http"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
)

// A client of HTTP/2 by prior knowledge is known as one however its preface is cut into segments.
func TestPrefaceInSegments(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	g := start(t, to(app))
	for n := 1; n <= 6; n++ {
		w := g.dial()
		w.send(http2.ClientPreface[:n])
		if a, _ := g.ask(get("/")); a.StatusCode != 200 { // meanwhile the gateway has read the first segment
			t.Fatalf("another client got %d", a.StatusCode)
		}
		w.send(http2.ClientPreface[n:])
		f := testpeer.New(t, w.r, w)
		if fr, err := f.ReadFrame(); err != nil {
			t.Errorf("a first segment of %d bytes: %v", n, err)
		} else if _, ok := fr.(*http2.SettingsFrame); !ok {
			t.Errorf("a first segment of %d bytes: the first frame is %v", n, fr)
		}
		w.Close()
	}
}

// The preface is for the beginning of a connection only.
func TestPrefaceBehindARequest(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	g := start(t, to(app))
	if got := statuses(t, g.talk(get("/")+http2.ClientPreface)); len(got) != 2 || got[0] != 200 || got[1] != 505 {
		t.Errorf("statuses %v, want 200 and 505", got)
	}
}
