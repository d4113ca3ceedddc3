package sidecar

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// FailureList is what /failures answers.
type FailureList struct {
	// LeftOut is how many failures were not kept since the start, because too many of one flag came within a second.
	LeftOut  uint64              `json:"left_out"`
	Failures []telemetry.Failure `json:"failures"` // the newest first
}

// How many failures are told.
const (
	defaultFailures = 20
	mostFailures    = 200
)

func (v View) failures(w http.ResponseWriter, r *http.Request) {
	id, n, err := failureQuestion(r.URL.RawQuery)
	if err != nil {
		respondText(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	list := v.Failures(id, n)
	list.Failures = orEmpty(list.Failures)
	respondJSON(w, list)
}

// failureQuestion reads the parameters of /failures. An empty id means all requests.
func failureQuestion(query string) (id string, n int, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", 0, fmt.Errorf("query: %w", err)
	}
	n = defaultFailures
	for name, given := range values {
		switch {
		case name != "id" && name != "n":
			return "", 0, fmt.Errorf("parameter %q: is none of id, n", name)
		case len(given) > 1:
			return "", 0, fmt.Errorf("%s: is there %d times", name, len(given))
		case name == "id":
			if id = given[0]; id == "" {
				return "", 0, fmt.Errorf("id: want a request id (seen none)")
			}
		default:
			if n, err = strconv.Atoi(given[0]); err != nil || n < 1 || n > mostFailures {
				return "", 0, fmt.Errorf("n: want a number from 1 to %d (seen %q)", mostFailures, given[0])
			}
		}
	}
	return id, n, nil
}

// failures are the last n, or the last n of the request with that id.
func (s *Sidecar) failures(id string, n int) FailureList {
	if id == "" {
		all, leftOut := s.registry.Failures.Last(n)
		return FailureList{leftOut, all}
	}
	all, leftOut := s.registry.Failures.ByID(id)
	return FailureList{leftOut, all[:min(n, len(all))]}
}
