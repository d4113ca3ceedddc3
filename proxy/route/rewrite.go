package route

import (
	"regexp"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Bounds of a path that is rewritten by a pattern.
const (
	maxRewritten = 16 << 10 // bytes: as many as a request line has
	maxParts     = 32       // that fit the pattern
)

// regexRewrite replaces what fits a pattern in the normalised path. Immutable.
type regexRewrite struct {
	pattern *regexp.Regexp
	by      []config.SubstitutionPart
}

// compileRewrite is nil where c rewrites nothing.
func compileRewrite(c *config.RegexRewrite) (*regexRewrite, error) {
	if c.Pattern == "" {
		return nil, nil
	}
	pattern, err := config.CompilePart(c.Pattern)
	if err != nil {
		return nil, err
	}
	by, err := config.ParseSubstitution(c.Substitution)
	if err != nil {
		return nil, err
	}
	return &regexRewrite{pattern, by}, nil
}

// rewrite appends the normalised path with all parts that fit replaced, and reports whether there are any. A path that
// does not begin with a slash then is given one. The reply tells that the result is none that could be sent. It
// allocates what package regexp does for the places of the groups.
func (r *regexRewrite) rewrite(dst, path []byte) (out []byte, rewritten bool, reply *LocalReply) {
	all := r.pattern.FindAllSubmatchIndex(path, maxParts+1)
	switch {
	case len(all) == 0:
		return dst, false, nil
	case len(all) > maxParts:
		return dst, false, ReplyRewritten
	}
	start, from := len(dst), 0
	for _, groups := range all {
		dst = append(dst, path[from:groups[0]]...)
		from = groups[1]
		for _, p := range r.by {
			switch {
			case p.Group < 0:
				dst = append(dst, p.Text...)
			case groups[2*p.Group] >= 0:
				dst = append(dst, path[groups[2*p.Group]:groups[2*p.Group+1]]...)
			}
			if len(dst)-start > maxRewritten {
				return dst[:start], false, ReplyRewritten
			}
		}
	}
	dst = append(dst, path[from:]...)
	if len(dst) == start || dst[start] != '/' {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '/'
	}
	if len(dst)-start > maxRewritten {
		return dst[:start], false, ReplyRewritten
	}
	if !config.KeepsSegments(dst[start:]) { // dots that were apart may be segments now
		return dst[:start], false, ReplyPath
	}
	return dst, true, nil
}

// rewritePath notes what the pattern of d's route makes of the path of h, which is normal when it is normalised. The
// reply ends the request; nil: it goes on.
func (d *Decision) rewritePath(h *message.Head, normal []byte, w *Workspace) *LocalReply {
	r := d.Route.rewrite
	if r == nil || len(h.Path) == 0 || string(h.Path) == "*" {
		return nil
	}
	out, rewritten, reply := r.rewrite(w.rewrite[:0], normal)
	w.rewrite = out
	if rewritten {
		d.normal, d.rewritten = out, true
	}
	return reply
}

// AppendPath appends the path of h as the route of d rewrites it, and reports whether it does.
func (d *Decision) AppendPath(dst []byte, h *message.Head) ([]byte, bool) {
	switch prefix := d.Route.Config.PrefixRewrite; {
	case d.rewritten:
		return append(dst, d.normal...), true
	case prefix != "" && h.Path != nil && string(h.Path) != "*":
		return d.AppendRewritten(dst, h, prefix), true
	}
	return dst, false
}
