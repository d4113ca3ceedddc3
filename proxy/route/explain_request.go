package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// ExplainRequest describes a request that is to be explained without being sent.
type ExplainRequest struct {
	Method   string   // empty = GET
	URL      string   // http://host/path or https://host/path, as the client writes it
	Fields   []string // "Name: value"; a Host counts instead of the URL's, as with curl
	Listener string   // where it comes in, by name; may be empty if the URL's port says it, or no route asks for it
	Source   string   // the client's address; may be empty as long as no match asks for it
	Identity string   // a name of the client's certificate; may be empty
}

// head makes the request's head by the parser that reads those of clients. The error is a sentence that begins with
// what is wrong: method, url or header.
func (q *ExplainRequest) head(lim *http1.Limits) (*message.Head, error) {
	method := q.Method
	switch {
	case method == "":
		method = "GET"
	case !message.ValidToken([]byte(method)):
		return nil, fmt.Errorf("method %q: not a token", method)
	case method == "CONNECT":
		return nil, fmt.Errorf("method %q: is refused with 405 before any route", method)
	}
	host, target, err := q.target()
	if err != nil {
		return nil, err
	}
	fields, host, err := q.fields(host)
	if err != nil {
		return nil, err
	}
	text := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n"
	h := new(message.Head)
	switch err := http1.ParseRequest([]byte(text), h, lim); {
	case errors.Is(err, http1.ErrLineTooLong), errors.Is(err, http1.ErrTarget):
		return nil, fmt.Errorf("url: %w", err)
	case err != nil: // the rest was looked at before
		return nil, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// client is who sends the request, as far as the URL tells.
func (q *ExplainRequest) client() *Client {
	if scheme, _, _ := strings.Cut(q.URL, "://"); strings.EqualFold(scheme, schemeHTTPS) {
		return &Client{Scheme: telemetry.SchemeHTTPS}
	}
	return &Client{Scheme: telemetry.SchemeHTTP}
}

// target takes the URL apart by hand: a library would make it uniform, and what counts are the bytes that come.
func (q *ExplainRequest) target() (host, target string, err error) {
	scheme, rest, ok := strings.Cut(q.URL, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", fmt.Errorf("url %q: begins with neither http:// nor https://", q.URL)
	}
	if i := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }); i >= 0 {
		return "", "", fmt.Errorf("url %q: has %q, which no request has unencoded", q.URL, rest[i])
	}
	host = rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if !message.ValidHost([]byte(host)) {
		return "", "", fmt.Errorf("url %q: %q is no host", q.URL, host)
	}
	return host, target, nil
}

// fields writes the header's lines, but for a Host, which it returns.
func (q *ExplainRequest) fields(urlHost string) (lines, host string, err error) {
	var b strings.Builder
	for _, f := range q.Fields {
		name, value, ok := strings.Cut(f, ":")
		value = strings.Trim(value, " \t")
		isHost := strings.EqualFold(name, "host")
		switch {
		case !ok:
			return "", "", fmt.Errorf("header %q: is not of the form Name: value", f)
		case !message.ValidToken([]byte(name)):
			return "", "", fmt.Errorf("header %q: %q is no name of a field", f, name)
		case !message.ValidValue([]byte(value)):
			return "", "", fmt.Errorf("header %q: has a control byte", f)
		case isHost && !message.ValidHost([]byte(value)):
			return "", "", fmt.Errorf("header %q: %q is no host", f, value)
		case isHost && host != "":
			return "", "", fmt.Errorf("header %q: is there twice", f)
		case isHost:
			host = value
		default:
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	if host == "" {
		host = urlHost
	}
	return b.String(), host, nil
}

// listener is the name of the listener that q is about. It is the one that q names, else the one that has the port of
// its URL, else the only one. It only matters where a route is for some listeners only. bound tells where a listener is
// bound.
func (t *Table) listener(q *ExplainRequest, bound func(listener string) string) (string, error) {
	switch {
	case q.Listener != "" && !slices.Contains(t.listeners, q.Listener):
		return "", fmt.Errorf("listener %q: no listener for HTTP has that name (%s)", q.Listener, t.known(bound))
	case q.Listener != "":
		return q.Listener, nil
	}
	host, port, said := q.port()
	if len(t.listeners) == 1 && (t.names == nil || !said) {
		return t.listeners[0], nil
	}
	var at []string
	for _, name := range t.listeners {
		if _, p, err := net.SplitHostPort(bound(name)); err == nil && p == port {
			at = append(at, name)
		}
	}
	problem := "no listener for HTTP has port"
	if len(at) > 1 { // of several addresses; a name may lead to any of them
		problem = "several listeners for HTTP have port"
		at = slices.DeleteFunc(at, func(name string) bool {
			h, _, _ := net.SplitHostPort(bound(name))
			return !sameIP(h, host)
		})
	}
	switch {
	case len(at) == 1:
		return at[0], nil
	case t.names == nil:
		return "", nil
	case said:
		return "", fmt.Errorf("url %q: %s %s, and some routes are not for all listeners (%s): write the port of one, "+
			"or name the listener", q.URL, problem, port, t.known(bound))
	}
	return "", fmt.Errorf("listener: say where the request comes in, by its name or by the port in the url: "+
		"some routes are not for all listeners (%s)", t.known(bound))
}

// port is the host and the port that the URL leads to, and whether the port is written.
func (q *ExplainRequest) port() (host, port string, said bool) {
	scheme, rest, _ := strings.Cut(q.URL, "://")
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	if h, p, err := net.SplitHostPort(authority); err == nil && p != "" {
		return h, p, true
	}
	host = strings.Trim(strings.TrimSuffix(authority, ":"), "[]")
	if strings.EqualFold(scheme, "https") {
		return host, "443", false
	}
	return host, "80", false
}

func sameIP(a, b string) bool {
	x, err := netip.ParseAddr(a)
	if err != nil {
		return false
	}
	y, err := netip.ParseAddr(b)
	return err == nil && x.Unmap() == y.Unmap()
}

// known lists the listeners for HTTP, with where they are bound.
func (t *Table) known(bound func(listener string) string) string {
	if len(t.listeners) == 0 {
		return "there is none"
	}
	all := make([]string, len(t.listeners))
	for i, name := range t.listeners {
		all[i] = name
		if address := bound(name); address != "" {
			all[i] += " at " + address
		}
	}
	return "there are " + strings.Join(all, ", ")
}

// source is the address of the client that is asked about; the zero Addr where it is not said.
func source(asked string) (netip.Addr, error) {
	if asked == "" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(asked)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("source %q: not an address such as 10.1.2.3", asked)
	}
	return addr, nil
}
