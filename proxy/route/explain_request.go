package route

import (
	"errors"
	"fmt"
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
	Listener string   // where it comes in, by name; may be empty as long as no route asks for it
	Source   string   // the client's address; may be empty as long as no route asks for it
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

// listener is the name of the listener that is asked about. It only matters where a route is for some listeners only.
func (t *Table) listener(asked string) (string, error) {
	known := "there is none"
	if len(t.listeners) > 0 {
		known = "there are " + strings.Join(t.listeners, ", ")
	}
	switch {
	case asked != "" && !slices.Contains(t.listeners, asked):
		return "", fmt.Errorf("listener %q: no listener for HTTP has that name (%s)", asked, known)
	case asked == "" && len(t.listeners) == 1:
		return t.listeners[0], nil
	case asked == "" && t.names != nil:
		return "", fmt.Errorf("listener: say where the request comes in, some routes are not for all listeners (%s)",
			known)
	}
	return asked, nil
}

// source is the address of the client that is asked about. It only matters where a route is for some networks only.
func (t *Table) source(asked string) (netip.Addr, error) {
	if asked == "" {
		if t.router.bySource {
			return netip.Addr{}, errors.New("source: say from which address the client comes, some routes are not for " +
				"all networks")
		}
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(asked)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("source %q: not an address such as 10.1.2.3", asked)
	}
	return addr, nil
}
