package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestForwards(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q", r.Method, r.Host, r.URL, b)
	})
	g := start(t, to(app))
	res, body := g.ask("POST /a/b?c=d HTTP/1.1\r\nHost: x.example\r\nContent-Length: 5\r\n\r\nhello")
	if want := `POST x.example /a/b?c=d "hello"`; res.StatusCode != 200 || body != want {
		t.Errorf("got %d %q, want 200 %q", res.StatusCode, body, want)
	}
	res, _ = g.ask("GET / HTTP/1.1\r\n\r\n")
	if res.StatusCode != 400 {
		t.Errorf("without Host: got %d, want 400", res.StatusCode)
	}
}
