package consul

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// An agent that takes the service, and knows nothing of its check afterwards, gets it again at a bounded pace.
func TestRegistrarAtAnAgentThatForgets(t *testing.T) {
	registered := 0
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/register"):
			registered++
		case r.URL.Path == "/v1/agent/checks":
			fmt.Fprint(w, "{}")
		default: // it knows neither the service nor the check
			http.Error(w, `Unknown check ID "service:one"`, http.StatusNotFound)
		}
	})
	r := c.Registrar("one", RegistrarOptions{
		Service: func() (Service, bool) { return Service{ID: "one", Name: "web", Instance: "one", Port: 1}, true },
		Ready:   func() []string { return nil },
	})
	pauses := 0
	for registered < 3 {
		if r.step(t.Context(), false) >= readyEvery {
			pauses++
		}
	}
	if pauses < 2 {
		t.Errorf("%d pauses between %d registrations", pauses, registered)
	}
}
