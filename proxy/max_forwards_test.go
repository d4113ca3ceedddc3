package proxy_test

import (
	"io"
	"net/http"
	"testing"
)

// OPTIONS and TRACE go no further than their Max-Forwards says, and say one less behind the gateway (RFC 9110 section
// 7.6.2). Of other methods, and where it is no number, the field passes as it came.
func TestMaxForwards(t *testing.T) {
	eachVersion(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "app "+r.Header.Get("Max-Forwards"))
	}, func(t *testing.T, _ *gateway, c *http.Client, url string) {
		for _, tt := range []struct {
			method, value string
			status        int
			body, allow   string
		}{
			{"OPTIONS", "3", 200, "app 2", ""},
			{"OPTIONS", "1", 200, "app 0", ""},
			{"OPTIONS", "0", 200, "Max-Forwards is 0\n", ""},
			{"OPTIONS", "-1", 200, "app -1", ""},
			{"TRACE", "7", 200, "app 6", ""},
			{"TRACE", "0", 405, "TRACE is not supported by the gateway itself\n", "OPTIONS"},
			{"GET", "0", 200, "app 0", ""},
		} {
			req, err := http.NewRequest(tt.method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Max-Forwards", tt.value)
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if allow := res.Header.Get("Allow"); err != nil || res.StatusCode != tt.status || string(body) != tt.body ||
				allow != tt.allow {
				t.Errorf("%s with Max-Forwards %s: %d %q, Allow %q (%v), want %d %q, %q", tt.method, tt.value,
					res.StatusCode, body, allow, err, tt.status, tt.body, tt.allow)
			}
		}
	})
}
