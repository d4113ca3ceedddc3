package sidecar

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// FailureList is what /failures answers.
type FailureList struct {
	// LeftOut is how many failures were not kept since the start, because too many of one flag came within a second.
	LeftOut  uint64              `json:"left_out"`
	Failures []telemetry.Failure `json:"failures"` // the newest first
}

// How many failures are told where nothing else is asked for, and at most.
const (
	defaultFailures = 20
	MostFailures    = 200
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
	values, err := parameters(query, []string{"id", "n"})
	if err != nil {
		return "", 0, err
	}
	if id = values.Get("id"); id == "" && values.Has("id") {
		return "", 0, errors.New("id: want a request id (seen none)")
	}
	n = defaultFailures
	if values.Has("n") {
		if n, err = strconv.Atoi(values.Get("n")); err != nil || n < 1 || n > MostFailures {
			return "", 0, fmt.Errorf("n: want a number from 1 to %d (seen %q)", MostFailures, values.Get("n"))
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
