package testserver

import (
	"io"
	"net/http"
	"testing"
)

func TestNginxAnswers(t *testing.T) {
	t.Parallel()
	s := Nginx(t, `location / { return 200 "hello from nginx\n"; }`)
	for range 2 {
		if got := fetch(t, s.Addr()); got != "hello from nginx\n" {
			t.Errorf("body = %q, want hello from nginx", got)
		}
		s.Stop()
		if accepts(s.Addr()) {
			t.Errorf("stopped nginx still listens on %s", s.Addr())
		}
		s.Start()
	}
}

func fetch(t *testing.T, addr string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
