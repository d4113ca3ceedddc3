package sidecar

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

func (v View) explain(w http.ResponseWriter, r *http.Request) {
	q, err := question(r.URL.RawQuery)
	if err != nil {
		respondText(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	e, err := v.Explain(q)
	switch {
	case errors.Is(err, errNoRevision):
		respondText(w, http.StatusServiceUnavailable, err.Error()+"\n")
	case err != nil:
		respondText(w, http.StatusBadRequest, err.Error()+"\n")
	default:
		respondJSON(w, e)
	}
}

// question reads the parameters of /explain. One that is not known is mostly the
// rest of a URL that was not encoded.
func question(query string) (q route.ExplainRequest, err error) {
	values, err := parameters(query, []string{"method", "url", "header", "listener", "source", "identity"}, "header")
	switch {
	case errors.Is(err, errUnknownParameter):
		return q, fmt.Errorf("%w (an & in the url is written %%26)", err)
	case err != nil:
		return q, err
	}
	q = route.ExplainRequest{
		Method: values.Get("method"), URL: values.Get("url"), Fields: values["header"],
		Listener: values.Get("listener"), Source: values.Get("source"), Identity: values.Get("identity"),
	}
	if q.URL == "" {
		return q, errors.New("url: is missing")
	}
	return q, nil
}
