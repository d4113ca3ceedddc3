package sidecar_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// An app that can do one thing at a time gets one at a time. The others wait in front of it, and not for ever.
func TestAppConcurrency(t *testing.T) {
	t.Parallel()
	began, finish := make(chan string), make(chan struct{})
	var inside, most atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		began <- r.URL.Path
		<-finish
	}))
	t.Cleanup(app.Close)
	g := serve(t, env{
		"GATEWAY_APP": strings.TrimPrefix(app.URL, "http://"), "GATEWAY_APP_CONCURRENCY": "1",
		"GATEWAY_APP_QUEUE_TIMEOUT": "2s",
	})
	codes := make(chan int, 3)
	ask := func(path string) {
		res, err := http.Get(g.url + path)
		if err != nil {
			t.Error(err)
			codes <- 0
			return
		}
		res.Body.Close()
		codes <- res.StatusCode
	}
	go ask("/first")
	if path := <-began; path != "/first" {
		t.Errorf("began with %s", path)
	}
	go ask("/second")
	if code := <-codes; code != 503 { // while the first is still inside
		t.Errorf("the second got %d, want 503", code)
	}
	go ask("/third")
	finish <- struct{}{}
	if code := <-codes; code != 200 {
		t.Errorf("the first got %d, want 200", code)
	}
	if path := <-began; path != "/third" {
		t.Errorf("then came %s", path)
	}
	finish <- struct{}{}
	if code := <-codes; code != 200 {
		t.Errorf("the third got %d, want 200", code)
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d requests were inside at a time, want 1", n)
	}
}
