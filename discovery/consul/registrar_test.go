package consul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
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

// Where the last listener goes while the agent is away, the service is deregistered when the agent is back. A gateway
// that listens again before that stays registered.
func TestRegistrarDeregistersLater(t *testing.T) {
	away, listens := false, true
	var there map[string]any // the service, as the agent has it
	told := 0
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case away:
			http.Error(w, "rpc error", http.StatusInternalServerError)
		case strings.HasSuffix(path, "/register"):
			there = map[string]any{"Service": "web", "Meta": map[string]string{OwnedBy: "one"}}
		case strings.Contains(path, "/deregister/"):
			there = nil
		case path == "/v1/agent/checks":
			fmt.Fprint(w, "{}")
		case strings.HasPrefix(path, "/v1/agent/check/update/"):
			told++
		case there == nil:
			http.Error(w, "unknown service", http.StatusNotFound)
		default:
			_ = json.NewEncoder(w).Encode(there)
		}
	})
	r := c.Registrar("one", RegistrarOptions{
		Service: func() (Service, bool) {
			return Service{ID: "one", Name: "web", Instance: "one", Port: 1}, listens
		},
		Ready: func() []string { return nil },
	})
	step := func() time.Duration { return r.step(t.Context(), false) }
	settle := func() {
		for step() < readyEvery {
		}
	}
	settle()
	if there == nil || told == 0 {
		t.Fatalf("registered %v, told %d times", there, told)
	}

	away, listens = true, false
	first, second := step(), step()
	if st := r.Status(); st.Failing != 2 || first <= 0 || second <= 0 {
		t.Errorf("pauses %v, %v, status %+v, want two errors", first, second, st)
	}
	away, listens = false, true // before it could be deregistered
	settle()
	if there == nil {
		t.Error("deregistered although it listens again")
	}

	away, listens = true, false
	step()
	away = false
	settle()
	if st := r.Status(); there != nil || st.Failing != 0 || st.Error != "" {
		t.Errorf("the agent has %v, status %+v, want it deregistered", there, st)
	}
	listens = true
	settle()
	if there == nil {
		t.Error("not registered again")
	}
}
