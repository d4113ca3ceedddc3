package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/websocket"
)

func TestDemoAnswers(t *testing.T) {
	for _, row := range []struct {
		target string
		status int
		want   string
	}{
		{"/a/b?c=d", 200, "GET /a/b?c=d HTTP/1.1\nHost: example.com\nX-One: 1\n"},
		{"/status/503", 503, "503 Service Unavailable\n"},
		{"/status/204", 204, ""},
		{"/status/99", 400, "no status"},
		{"/status/x", 400, "no status"},
		{"/slow?for=0s", 200, "this took 0s\n"},
		{"/slow?for=2h", 400, "for is no duration"},
		{"/slow?for=x", 400, "for is no duration"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, row.target, nil)
		r.Header.Set("X-One", "1")
		w := httptest.NewRecorder()
		demoRoutes().ServeHTTP(w, r)
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.want) {
			t.Errorf("%s: %d %q, want %d with %q", row.target, w.Code, w.Body, row.status, row.want)
		}
	}
}

func TestDemoTakesItsTime(t *testing.T) {
	for _, row := range []struct {
		target, last string
		took         time.Duration
	}{
		{"/slow", "this took 3s\n", 3 * time.Second},
		{"/slow?for=5s", "this took 5s\n", 5 * time.Second},
		{"/stream", "line 10 of 10\n", 9 * 300 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			w := httptest.NewRecorder()
			demoRoutes().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, row.target, nil))
			if took := time.Since(begin); took != row.took || !strings.HasSuffix(w.Body.String(), row.last) {
				t.Errorf("%s: %q after %s, want %q after %s", row.target, w.Body, took, row.last, row.took)
			}
		})
	}
}

func TestDemoEchoesWebSockets(t *testing.T) {
	d, err := startDemo()
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	c, err := websocket.Dial("ws://"+d.address()+"/echo", "", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := websocket.Message.Send(c, "hello"); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := websocket.Message.Receive(c, &back); err != nil || back != "hello" {
		t.Errorf("echo %q, %v, want hello", back, err)
	}
}
