package consul

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// contactTimeout bounds how long a person waits for a Consul that is silent.
const contactTimeout = 5 * time.Second

// Contact is how Consul is reached at a moment.
type Contact struct {
	Address string        // as CONSUL_HTTP_ADDR has it, without a scheme
	Took    time.Duration // the first response, from the connect on
	Leader  string        // host:port
	// Behind is how long ago the server that responds heard from the leader: so old may its data be. Negative: it does
	// not say.
	Behind time.Duration
	// Ahead is by how much Consul's clock is ahead of ours, to a second; negative: it is behind.
	Ahead time.Duration
	// Clock is whether Ahead is known.
	Clock bool
}

// Contact asks for the leader over a new connection, and then any server for how far it is behind. It needs no right.
// The Address is there even with an error.
func (c *Client) Contact(ctx context.Context) (Contact, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, contactTimeout, errSlow)
	defer cancel()
	at := Contact{Address: c.link.Load().base.Host}
	begun := time.Now()
	resp, _, err := c.do(ctx, "/v1/status/leader", url.Values{}, true)
	if err != nil {
		return at, inTime(ctx, err)
	}
	defer resp.Body.Close()
	at.Took = time.Since(begun)
	at.Ahead, at.Clock = ahead(resp.Header, begun, at.Took)
	if at.Leader, err = leaderOf(resp); err != nil {
		return at, inTime(ctx, err)
	}
	if at.Behind, err = c.behind(ctx); Denied(err) {
		return at, nil // with another token it would say
	}
	return at, inTime(ctx, err)
}

// leaderOf reads the response to the question for the leader.
func leaderOf(resp *http.Response) (string, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	if err != nil {
		return "", transportFault(err)
	}
	leader := strings.Trim(string(text), "\" \n")
	if leader == "" {
		return "", faultf(telemetry.DiscoveryServer, "no leader")
	}
	return leader, nil
}

// ahead compares the clock that wrote a Date with ours. A Date has whole seconds, cut.
func ahead(header http.Header, begun time.Time, took time.Duration) (d time.Duration, ok bool) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return date.Add(time.Second / 2).Sub(begun.Add(took / 2)).Round(time.Second), true
}

// behind asks any server, as the watches do. The service consul is there in each datacenter. What of it the token may
// not read is left out of the response, which has its head all the same.
func (c *Client) behind(ctx context.Context) (time.Duration, error) {
	const unknown = -1
	resp, _, err := c.do(ctx, "/v1/health/service/consul", url.Values{"stale": {""}}, true)
	if err != nil {
		return unknown, err
	}
	defer resp.Body.Close()
	if _, err := headOf(resp); err != nil {
		return unknown, err
	}
	ms, err := strconv.ParseInt(resp.Header.Get("X-Consul-LastContact"), 10, 64)
	if err != nil || ms < 0 {
		return unknown, nil // something between us and Consul leaves the field out
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// ReadDocument reads the document of a key at this moment, as its source would. An error names the right that is
// missing, where one is.
func (c *Client) ReadDocument(ctx context.Context, key string) (discovery.Document, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	s, err := c.keySource(key)
	if err != nil {
		return discovery.Document{}, err
	}
	found, err := s.watch.fetch(ctx, fetchOptions{})
	if err != nil {
		doing := "read"
		if s.folder() {
			doing = "list"
		}
		return discovery.Document{}, c.explainKey(doing, key, folderOf(key), inTime(ctx, err))
	}
	return found.value, nil
}

// Services lists the names of the services that the token may see, in order.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	var tags map[string][]string
	_, err := c.get(ctx, "/v1/catalog/services", url.Values{}, fetchOptions{}, maxElementBytes,
		func(_ responseHead, body io.Reader) error { return bodyFault(json.NewDecoder(body).Decode(&tags)) })
	return slices.Sorted(maps.Keys(tags)), inTime(ctx, err)
}
