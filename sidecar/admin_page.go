package sidecar

import (
	"embed"
	"mime"
	"net/http"
	"strings"
)

// The page for browsers: a document, its style and its scripts, as they are in the tree. It asks /status and /failures,
// and nothing else.
//
//go:embed page
var pageFiles embed.FS

// pageParts are the files of the page besides its document, with their kinds. The system's own table of kinds is not
// asked: it differs from one machine to the next.
var pageParts = map[string]string{
	"page.css": "text/css; charset=utf-8",
	"page.js":  "text/javascript; charset=utf-8",
	"draw.js":  "text/javascript; charset=utf-8",
	"icon.svg": "image/svg+xml",
}

const pageKind = "text/html; charset=utf-8"

// pagePolicy lets the page load what is beside it, and nothing from elsewhere. No script or style stands in the
// document itself, so what is put into it by mistake cannot run.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// index answers / with the page where HTML is asked for by name, as browsers do, and with the list of what there is
// elsewhere.
func index(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if !accepts(r, "text/html") {
			respondText(w, http.StatusOK, text)
			return
		}
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		pageFile(w, "index.html", pageKind)
	}
}

func pagePart(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	kind, ok := pageParts[name]
	if !ok {
		respondText(w, http.StatusNotFound, "the page has no such file\n")
		return
	}
	pageFile(w, name, kind)
}

func pageFile(w http.ResponseWriter, name, kind string) {
	text, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		respondText(w, http.StatusInternalServerError, "BUG: "+err.Error()+"\n") // it was there when it was built
		return
	}
	respond(w, http.StatusOK, kind, text)
}

// accepts tells whether Accept names the kind itself; a wildcard is no name.
func accepts(r *http.Request, kind string) bool {
	for _, field := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(field, ",") {
			if named, _, err := mime.ParseMediaType(one); err == nil && named == kind {
				return true
			}
		}
	}
	return false
}
