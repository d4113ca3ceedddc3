package route

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

const (
	maxShapes     = 1000
	maxShapeBytes = 512
	// shapeEvery is the time between two shapes: at most 50 a second, so that they reach back for 20 seconds.
	shapeEvery = 20 * time.Millisecond
)

// Recent has the shapes of recent requests: what routes look at, and nothing else. It outlives revisions. The methods
// are safe from any goroutine.
type Recent struct {
	last atomic.Int64 // when the newest came, on the sweeper's clock

	mu sync.Mutex
	// +checklocks:mu
	shapes []shape // a ring, once it has maxShapes
	// +checklocks:mu
	next int
}

// shape is one request. The text has a line each for method, host, path and query, and for each field.
type shape struct {
	text     []byte
	listener *Listener
	remote   netip.Addr // only where a route looks at it
}

// inputs are the names of what the routes of a table look at.
type inputs struct {
	headers, query []string
}

func inputsOf(routes []*Route) (l inputs) {
	for _, rt := range routes {
		for i := range rt.wants.headers {
			l.headers = append(l.headers, rt.wants.headers[i].Name)
		}
		for i := range rt.wants.query {
			l.query = append(l.query, rt.wants.query[i].Name)
		}
	}
	for _, list := range []*[]string{&l.headers, &l.query} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return l
}

// due tells whether a request that came at start is to be kept, and takes the place if so. It costs a load.
func (r *Recent) due(start int64) bool {
	last := r.last.Load()
	return start-last >= int64(shapeEvery) && r.last.CompareAndSwap(last, start)
}

// note keeps the shape of a request. It waits for nobody, and allocates only until the ring is full.
//
// +checklocksignore: TryLock is not known to tools/locks.
func (r *Recent) note(t *Table, a *asked, c *Client) {
	if !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	if len(r.shapes) < maxShapes {
		r.shapes = append(r.shapes, shape{})
		r.next = len(r.shapes) - 1
	}
	s := &r.shapes[r.next]
	r.next = (r.next + 1) % maxShapes
	s.listener, s.remote = c.Listener, a.remote
	if s.text = t.inputs.write(s.text[:0], a); len(s.text) > maxShapeBytes {
		s.text = nil // it is no shape, and its memory is given up
	}
	clear(s.text[len(s.text):cap(s.text)])
}

// write writes the shape of a request to b; nothing, if it is longer than a shape may be by its path alone.
func (l *inputs) write(b []byte, a *asked) []byte {
	h := a.head
	n := len(h.Method) + len(h.Authority) + len(a.path)
	if n > maxShapeBytes {
		return b
	}
	b = slices.Grow(b, n+len("\n\n\n\n")) // mostly that is all of it
	b = append(append(b, h.Method...), '\n')
	b = append(append(b, h.Authority...), '\n')
	b = append(append(b, a.path...), '\n')
	if len(l.query) > 0 {
		b = l.writeQuery(b, h.Query, a.work)
	}
	b = append(b, '\n')
	for _, name := range l.headers {
		if h.Version == message.HTTP2 && name == message.Cookie.Name() && h.Present.Has(message.Cookie) {
			b = appendInput(b, name, a.work.joined(h))
			continue
		}
		for i := range h.Fields {
			if f := &h.Fields[i]; message.EqualFold(h.Name(f), name) {
				b = appendInput(b, name, h.Value(f))
			}
		}
	}
	return b
}

func appendInput(b []byte, name string, value []byte) []byte {
	b = append(append(b, name...), ':')
	return append(append(b, value...), '\n')
}

// writeQuery writes the parameters that a route looks at.
func (l *inputs) writeQuery(b, query []byte, w *Workspace) []byte {
	for first := true; len(query) > 0; {
		var one parameterText
		one, query = cutParameter(query)
		decoded := w.decoded(one.name)
		if !slices.ContainsFunc(l.query, func(known string) bool { return known == string(decoded) }) {
			continue
		}
		if !first {
			b = append(b, '&')
		}
		b, first = append(b, one.whole...), false
	}
	return b
}

// head is the request's head, as far as it is known. ok is false for one that was too long.
func (s *shape) head() (h message.Head, path []byte, ok bool) {
	h.Buf = s.text
	var lines [4][]byte
	at := 0
	for i := range lines {
		n := bytes.IndexByte(s.text[at:], '\n')
		if n < 0 {
			return h, nil, false
		}
		lines[i] = s.text[at : at+n]
		at += n + 1
	}
	h.Method, h.Authority, path, h.Query = lines[0], lines[1], lines[2], lines[3]
	for at < len(s.text) {
		end := at + bytes.IndexByte(s.text[at:], '\n')
		colon := at + bytes.IndexByte(s.text[at:], ':')
		h.Add(at, colon, colon+1, end, end+1)
		at = end + 1
	}
	return h, path, true
}

// Replayed is what a revision would make of recent requests.
type Replayed struct {
	Requests int `json:"requests"`
	Moved    int `json:"moved"` // to another cluster, or to a response of the route's own
	Lost     int `json:"lost"`  // those that had a route, and would have none
}

// String is a sentence without its full stop.
func (r Replayed) String() string {
	n := fmt.Sprint(r.Requests)
	if r.Requests >= 1000 {
		n = fmt.Sprintf("%d,%03d", r.Requests/1000, r.Requests%1000)
	}
	return fmt.Sprintf("of %s recent requests %d change cluster, %d lose their route", n, r.Moved, r.Lost)
}

// Replay matches the shapes against both tables. What a request had that no route of the former table looks at is not
// known: it counts as not there.
func (r *Recent) Replay(before, next *Table) (all Replayed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := new(Workspace)
	for i := range r.shapes {
		s := &r.shapes[i]
		h, path, ok := s.head()
		if !ok {
			continue
		}
		all.Requests++
		was, is := s.match(before, &h, path, w), s.match(next, &h, path, w)
		switch {
		case was == nil:
		case is == nil:
			all.Lost++
		case was.target() != is.target():
			all.Moved++
		}
	}
	return all
}

func (s *shape) match(t *Table, h *message.Head, path []byte, w *Workspace) *Route {
	return t.router.match(&asked{
		head: h, path: path, listener: t.listenerName(&Client{Listener: s.listener}), remote: s.remote, work: w,
	})
}

// target is where the requests of a route go: the names of its clusters; empty for a response of its own.
func (rt *Route) target() string {
	if rt.reply != nil {
		return ""
	}
	var names []string
	for i := range rt.upstream {
		if u := &rt.upstream[i]; u.weight > 0 {
			names = append(names, u.up.Cluster.Name())
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}
