package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// maxElementBytes bounds one entry of a response: a KV value is at most 512 KiB.
	maxElementBytes = 1 << 20

	// maxErrorBytes is how much of an error's text is read.
	maxErrorBytes = 4 << 10
)

// responseHead is what the head of a response says.
type responseHead struct {
	absent     bool // 404
	index      uint64
	filtered   bool // some of it was left out for want of rights
	anonymous  bool // we sent no token, and ACLs deny by default
	translated bool // addresses are already those to use from here
	bytes      int64
}

// get makes one blocking or plain request. On a 200 the body goes to decode; it may have most bytes
// when unzipped, and must not stall.
func (c *Client) get(
	ctx context.Context, path string, query url.Values, q fetchOptions,
	most int64, decode func(responseHead, io.Reader) error,
) (responseHead, error) {
	if q.index > 0 {
		query.Set("index", strconv.FormatUint(q.index, 10))
		query.Set("wait", strconv.FormatInt(q.wait.Milliseconds(), 10)+"ms")
	}
	switch {
	case q.stale:
		query.Set("stale", "")
	case q.leader():
		query.Set("consistent", "")
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	asking := ctx
	if q.index > 0 {
		asking = onceOnly(ctx, stop)
	}
	resp, named, err := c.do(asking, path, query, q.fresh)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errMoved):
		return responseHead{}, errMoved
	case err != nil:
		return responseHead{}, err
	}
	defer resp.Body.Close()
	r, err := headOf(resp)
	r.anonymous = !named && resp.Header.Get("X-Consul-Default-ACL-Policy") == "deny"
	if err != nil || r.absent {
		return r, err
	}
	stall := time.AfterFunc(stallTimeout, func() { stop(errStalled) })
	defer stall.Stop()
	body := newBounded(&steady{resp.Body, stall}, most)
	err = decode(r, body)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = errStalled
	}
	r.bytes = most - body.left
	return r, err
}

// errMoved is that a request with an index was about to be made once more over another connection.
var errMoved = errors.New("connection broke")

// onceOnly stops a request when net/http repeats it, which it does if a kept connection breaks. The address may lead
// to another Consul by now, whose index has nothing to do with the one in the request.
func onceOnly(ctx context.Context, stop context.CancelCauseFunc) context.Context {
	var connections atomic.Int32
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if connections.Add(1) > 1 {
			stop(errMoved)
		}
	}})
}

// do sends one request that reads. With fresh it has a connection of its own.
func (c *Client) do(
	ctx context.Context, path string, query url.Values, fresh bool,
) (resp *http.Response, named bool, err error) {
	return c.send(ctx, http.MethodGet, path, query, nil, fresh)
}

// send sends one request, with the token of this moment; named says whether there
// is one. Everything but 200 and 404 is an error.
func (c *Client) send(
	ctx context.Context, method, path string, query url.Values, body []byte, fresh bool,
) (resp *http.Response, named bool, err error) {
	token, err := c.token.current()
	if err != nil {
		c.refreshToken() // its file may be there by now
		if token, err = c.token.current(); err != nil {
			return nil, false, &fault{telemetry.DiscoveryACL, err}
		}
	}
	l := c.link.Load()
	req, err := l.request(ctx, method, path, query, bytes.NewReader(body))
	if err != nil {
		return nil, false, &fault{telemetry.DiscoveryTransport, err}
	}
	req.Header.Set("User-Agent", "gateway-homebrew-go/"+c.options.Version)
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	client := l.http
	if fresh {
		client = l.fresh
	}
	resp, err = client.Do(req)
	if err != nil {
		return nil, false, transportFault(err)
	}
	if !fresh {
		c.http2.Store(resp.ProtoMajor == 2)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound {
		return resp, token != "", nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // what there is of it will do
	err = statusFault(resp.StatusCode, resp.Header, string(text))
	if classOf(err) == telemetry.DiscoveryACL {
		c.refreshToken()
	}
	return nil, false, err
}

// headOf reads the fields that decide what a response is worth. An index is in
// every response of the endpoints that we query; without one it was not Consul's.
func headOf(resp *http.Response) (responseHead, error) {
	index := resp.Header.Get("X-Consul-Index")
	n, err := strconv.ParseUint(index, 10, 64)
	if err != nil {
		return responseHead{}, faultf(telemetry.DiscoveryServer,
			"status %d with X-Consul-Index %q: not a response of Consul", resp.StatusCode, index)
	}
	return responseHead{
		absent:     resp.StatusCode == http.StatusNotFound,
		index:      n,
		filtered:   resp.Header.Get("X-Consul-Results-Filtered-By-ACLs") == "true",
		translated: resp.Header.Get("X-Consul-Translate-Addresses") == "true",
	}, nil
}

// whole reports why a list is not all that there is, if it is not.
func (r responseHead) whole(empty bool) error {
	switch {
	case r.filtered:
		return errFiltered
	case empty && r.anonymous:
		return errAnonymous
	}
	return nil
}

// transportFault leaves out the URL, which says nothing that the watch's name
// does not say.
func transportFault(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &fault{telemetry.DiscoveryTransport, err}
}

// stallTimeout bounds the time between two parts of a body, which Consul has whole before it sends the first.
const stallTimeout = 1500 * time.Millisecond

var errStalled = &fault{telemetry.DiscoveryTransport, fmt.Errorf("response: nothing more came for %v", stallTimeout)}

// steady is a body that ends its request when it stalls.
type steady struct {
	r     io.Reader
	timer *time.Timer
}

func (s *steady) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.timer.Reset(stallTimeout)
	return n, err
}

// bounded is a body that must end, and so must each entry of it.
type bounded struct {
	r       io.Reader
	left    int64 // of the body
	element int   // of the entry that is being read
}

func newBounded(r io.Reader, most int64) *bounded {
	return &bounded{r: r, left: most, element: maxElementBytes}
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 || b.element <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left, int64(b.element))])
	b.left -= int64(n)
	b.element -= n
	return n, err
}

// decodeList reads a JSON array entry by entry. So neither its text nor what we do not need of it is ever in memory as
// a whole.
func decodeList[T any](body io.Reader, most int, each func(T)) error {
	limit, ok := body.(*bounded)
	if !ok {
		limit = newBounded(body, maxElementBytes)
	}
	dec := json.NewDecoder(limit)
	if t, err := dec.Token(); err != nil {
		return bodyFault(err)
	} else if t != json.Delim('[') {
		return faultf(telemetry.DiscoveryServer, "response is not a list but begins with %v", t)
	}
	for n := 0; dec.More(); n++ {
		if n == most {
			return fmt.Errorf("%w: more than %d entries", errTooLarge, most)
		}
		var v T
		limit.element = maxElementBytes
		if err := dec.Decode(&v); err != nil {
			return bodyFault(err)
		}
		each(v)
	}
	if _, err := dec.Token(); err != nil { // the closing bracket; More is also false when the body breaks off
		return bodyFault(err)
	}
	_, err := io.Copy(io.Discard, limit) // to the end, or the connection is not used again
	return bodyFault(err)
}

// bodyFault sorts an error of a body: bad JSON is the server's, everything else
// the connection's.
func bodyFault(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault](err); ok {
		return err
	}
	syntax, _ := errors.AsType[*json.SyntaxError](err)
	mistyped, _ := errors.AsType[*json.UnmarshalTypeError](err)
	if syntax != nil || mistyped != nil {
		return faultf(telemetry.DiscoveryServer, "response: %w", err)
	}
	return faultf(telemetry.DiscoveryTransport, "response: %w", err)
}
