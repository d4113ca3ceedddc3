package sidecar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

const (
	plainText = "text/plain; charset=utf-8"
	jsonText  = "application/json"
	yamlText  = "application/yaml"
)

const adminIndex = `gateway: admin

GET  /         this text; for a browser a page that shows all of it, live
GET  /live     200 while the process runs
GET  /ready    200 when requests are served, else 503 and the reasons
GET  /status   versions, revision, listeners, clusters, discovery, certificates (JSON)
GET  /metrics  every metric, as Prometheus takes it (text; OpenMetrics if Accept asks for it)
GET  /config   the effective document (YAML; JSON with ?format=json)
GET  /explain  which route a request would take, and why (JSON): ?method=GET&url=http://host/path
GET  /failures the last requests that failed or were slow, with each attempt (JSON): ?n=20&id=REQUEST_ID
POST /log      change the level of the gateway's own log: ?level=debug&for=5m
POST /drain    begin the drain, as SIGTERM does
`

const noMetrics = "no metrics here: env OTEL_METRICS_EXPORTER has no prometheus in it, or OTEL_SDK_DISABLED is true\n"

const adminIndexPprof = "GET  /debug/pprof/  profiles\n"

// adminRoutes is the table of contents of the admin port.
func adminRoutes(view View, profiles bool) http.Handler {
	mux := http.NewServeMux()
	text := adminIndex
	if profiles {
		text += adminIndexPprof
		pprofRoutes(mux)
	}
	mux.HandleFunc("GET /{$}", index(text))
	mux.HandleFunc("GET /page/{file}", pagePart)
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) {
		respondText(w, http.StatusOK, "live\n")
	})
	mux.HandleFunc("GET /ready", view.ready)
	mux.HandleFunc("GET /status", view.status)
	mux.HandleFunc("GET /metrics", view.metrics)
	mux.HandleFunc("GET /config", view.config)
	mux.HandleFunc("GET /explain", view.explain)
	mux.HandleFunc("GET /failures", view.failures)
	mux.HandleFunc("POST /log", view.logLevel)
	mux.HandleFunc("POST /drain", view.drain)
	return mux
}

// pprofRoutes names the handlers one by one: the package's own registration is on
// a global mux, which nothing serves.
func pprofRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

func (v View) ready(w http.ResponseWriter, _ *http.Request) {
	if reasons := v.Ready(); len(reasons) > 0 {
		respondText(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n")
		return
	}
	text := "ready\n"
	if v.Note != nil && v.Note() != "" {
		text += v.Note() + "\n"
	}
	respondText(w, http.StatusOK, text)
}

func (v View) status(w http.ResponseWriter, _ *http.Request) {
	s := v.Status().lists()
	s.Reasons = orEmpty(v.Ready())
	s.Ready = len(s.Reasons) == 0
	s.Trouble = findTrouble(&s, time.Now())
	respondJSON(w, s)
}

func (v View) metrics(w http.ResponseWriter, r *http.Request) {
	if v.Metrics == nil {
		respondText(w, http.StatusNotFound, noMetrics)
		return
	}
	v.Metrics.ServeHTTP(w, r)
}

func (v View) config(w http.ResponseWriter, r *http.Request) {
	asJSON, err := wantsJSON(r)
	if err != nil {
		respondText(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	d := v.Config()
	if d == nil {
		respondText(w, http.StatusServiceUnavailable, errNoRevision.Error()+"\n")
		return
	}
	w.Header().Set("ETag", `"`+d.Revision+`"`)
	if asJSON {
		respond(w, http.StatusOK, jsonText, d.JSON())
		return
	}
	text, err := d.YAML()
	if err != nil {
		respondText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	respond(w, http.StatusOK, yamlText, text)
}

// wantsJSON reads ?format=, and without it Accept: JSON only if it is named.
func wantsJSON(r *http.Request) (bool, error) {
	switch format := r.URL.Query().Get("format"); format {
	case "json":
		return true, nil
	case "yaml":
		return false, nil
	case "":
	default:
		return false, fmt.Errorf("format %q: neither yaml nor json", format)
	}
	return accepts(r, jsonText), nil
}

func (v View) drain(w http.ResponseWriter, _ *http.Request) {
	v.Drain()
	respondText(w, http.StatusAccepted, "draining\n")
}

func respondJSON(w http.ResponseWriter, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		respondText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	respond(w, http.StatusOK, jsonText, append(text, '\n'))
}

func respondText(w http.ResponseWriter, status int, text string) {
	respond(w, status, plainText, []byte(text))
}

func respond(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever asked is gone: nobody is left to tell
}
