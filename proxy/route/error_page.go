package route

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// The statuses of responses that can have an error page.
const (
	firstError = 400
	lastError  = 599
)

// errorPages are the bodies of the gateway's own responses, by status less firstError. Immutable.
type errorPages [lastError - firstError + 1]*OwnResponse

// compileErrorPages resolves what holds for each status; nil: there are no pages.
func compileErrorPages(list []config.ErrorPage) *errorPages {
	if len(list) == 0 {
		return nil
	}
	compiled := map[*config.ErrorPage]*OwnResponse{}
	all := new(errorPages)
	for i := range all {
		c := config.FindErrorPage(list, firstError+i)
		if c != nil && compiled[c] == nil {
			compiled[c] = &OwnResponse{ContentType: []byte(c.ContentType), Body: []byte(c.Body)}
		}
		all[i] = compiled[c]
	}
	return all
}

// Response is the body of r, with its fields. It is what a route or another service responds, or else the error page of
// the document for its status. nil: r has its text alone. t may be nil.
func (t *Table) Response(r *LocalReply) *OwnResponse {
	if r.Own != nil || t == nil || t.pages == nil || r.Status < firstError || r.Status > lastError {
		return r.Own
	}
	return t.pages[r.Status-firstError]
}
