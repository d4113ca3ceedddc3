package sidecar

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

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
	values, err := url.ParseQuery(query)
	if err != nil {
		return q, fmt.Errorf("query: %w", err)
	}
	single := map[string]*string{"method": &q.Method, "url": &q.URL, "listener": &q.Listener, "source": &q.Source,
		"identity": &q.Identity}
	for name, given := range values {
		switch to := single[name]; {
		case name == "header":
			q.Fields = given
		case to == nil:
			return q, fmt.Errorf("parameter %q: is none of method, url, header, listener, source, identity (an & in "+
				"the url is written %%26)", name)
		case len(given) > 1:
			return q, fmt.Errorf("%s: is there %d times", name, len(given))
		default:
			*to = given[0]
		}
	}
	if q.URL == "" {
		return q, errors.New("url: is missing")
	}
	return q, nil
}
