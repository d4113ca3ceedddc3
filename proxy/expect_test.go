package proxy_test

import (
	"net/http"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// An expectation that nobody here knows is refused in each version (RFC 9110 section 10.1.1), and not passed over.
func TestUnknownExpectations(t *testing.T) {
	asked := 0
	eachVersion(t, func(http.ResponseWriter, *http.Request) { asked++ },
		func(t *testing.T, g *gateway, c *http.Client, url string) {
			for _, values := range [][]string{{"x"}, {""}, {"100-continue, x"}, {"100-continue", "100-continue"},
				{"x", "100-continue"}} {
				before := g.faults(telemetry.DPE)
				req, err := http.NewRequest("GET", url, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header["Expect"] = values
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != 417 || g.faults(telemetry.DPE) != before+1 {
					t.Errorf("Expect %q: status %d, faults DPE = %d, want 417 and one more", values, res.StatusCode,
						g.faults(telemetry.DPE)-before)
				}
			}
		})
	if asked > 0 {
		t.Errorf("the app was asked %d times", asked)
	}
}
