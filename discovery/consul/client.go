package consul

import (
	"context"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/filewatch"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// defaultWait is how long a request blocks when nothing changes.
const defaultWait = 2 * time.Minute

// Options of [New]. The zero value speaks to the agent that the CONSUL_*
// variables name, as Consul's own command line would.
type Options struct {
	Address   string        // instead of CONSUL_HTTP_ADDR
	Token     string        // instead of CONSUL_HTTP_TOKEN
	TokenFile string        // instead of CONSUL_HTTP_TOKEN_FILE
	Version   string        // of the gateway, for User-Agent
	Wait      time.Duration // how long a request blocks; 0 = 2m
	Log       hclog.Logger  // nil = silent

	// CountError is called for each error, from any goroutine. It may be nil.
	CountError func(telemetry.DiscoveryClass)
}

// Client is the way to one agent: its address, connections and token, shared by
// the document source and all watches of the catalog.
type Client struct {
	options Options
	log     hclog.Logger
	made    time.Time
	token   *token
	link    atomic.Pointer[link] // replaced when the TLS files change

	answered atomic.Int64 // when Consul last gave a good response, Unix ns; 0 = never
	http2    atomic.Bool  // the agent speaks HTTP/2, so many requests share a connection

	monitor *monitor
	ack     atomic.Pointer[Ack] // nil: nothing is acknowledged

	mu sync.Mutex
	// +checklocks:mu
	local string // the agent's own datacenter, once it was queried
}

// New checks what the environment says and connects to nothing. What is wrong
// with the environment will not get better, so it is an error. A token file that
// is not there yet is waited for.
func New(options Options) (*Client, error) {
	c := &Client{options: options, log: options.Log, made: time.Now()}
	if c.log == nil {
		c.log = hclog.NewNullLogger()
	}
	if c.options.Wait == 0 {
		c.options.Wait = defaultWait
	}
	l, err := newLink(options)
	if err != nil {
		return nil, err
	}
	c.link.Store(l)
	c.token = newToken(l.tokenFile, l.token)
	c.http2.Store(l.base.Scheme == "https") // until the first response
	c.monitor = &monitor{
		probe: c.probe, reconnect: c.reconnect, returned: func() { c.ack.Load().tryAgain() },
		followers: map[follower]*followed{},
	}
	return c, nil
}

// Run follows the token file and the TLS files, and monitors the watches, until ctx ends. Without
// it files are read anew only on Reload, and the token when Consul refuses it. A connection that
// died without a sign is then noticed when its request has run out of time.
func (c *Client) Run(ctx context.Context) {
	defer c.closeIdle()
	var files sync.WaitGroup
	defer files.Wait()
	l := c.link.Load()
	if l.tokenFile != "" {
		files.Go(func() { filewatch.Watch(ctx, c.refreshToken, c.log, l.tokenFile) })
	}
	if len(l.files) > 0 {
		files.Go(func() { filewatch.Watch(ctx, c.refreshLink, c.log, l.files...) })
	}
	c.monitor.run(ctx)
}

// Reload reads the token and the TLS files anew.
func (c *Client) Reload() {
	c.refreshToken()
	c.refreshLink()
	c.ack.Load().tryAgain()
}

// Age is how long ago Consul last gave a good response. If it never did, ok is
// false, and age is how long it has been waited for.
func (c *Client) Age() (age time.Duration, ok bool) {
	if at := c.answered.Load(); at != 0 {
		return time.Since(time.Unix(0, at)), true
	}
	return time.Since(c.made), false
}

// refreshToken makes requests that are parked under an old token start again.
func (c *Client) refreshToken() {
	switch c.token.refresh() {
	case tokenChanged:
		c.log.Info("consul token changed")
		c.monitor.restartAllBut(nil)
		c.ack.Load().tryAgain()
	case tokenBroke:
		c.log.Warn("consul token file is broken, the last good token stays in use", "reason", c.token.fault())
	case tokenMended:
		c.log.Info("consul token file is whole again")
	}
}

// TokenFault is why CONSUL_HTTP_TOKEN_FILE has no token now, while the last good one stays in use; nil: nothing is
// wrong. It names the variable and the file.
func (c *Client) TokenFault() error { return c.token.fault() }

func (c *Client) refreshLink() {
	old := c.link.Load()
	l, err := newLink(c.options)
	switch {
	case err != nil:
		c.log.Warn("consul connection stays as it was", "error", err)
	case l.content != old.content && c.link.CompareAndSwap(old, l):
		c.log.Info("consul TLS files changed")
		c.monitor.restartAllBut(nil)
		old.http.CloseIdleConnections()
	}
}

// reconnect gives up the connections there are: requests that are made from now on use new ones.
func (c *Client) reconnect() {
	old := c.link.Load()
	if l, err := newLink(c.options); err == nil && c.link.CompareAndSwap(old, l) {
		old.http.CloseIdleConnections()
	}
}

// probe tells whether Consul has a leader, at the price of one small request that needs no rights.
func (c *Client) probe(ctx context.Context, fresh bool) error {
	resp, _, err := c.do(ctx, "/v1/status/leader", url.Values{}, fresh)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	leader, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	if err != nil {
		return transportFault(err)
	}
	if strings.Trim(string(leader), "\" \n") == "" {
		return faultf(telemetry.DiscoveryServer, "no leader")
	}
	return nil
}

// Close closes the connections that are not in use. The client may be used on.
func (c *Client) Close() { c.closeIdle() }

// closeIdle closes the connections that are not in use, when one of the users has ended.
func (c *Client) closeIdle() { c.link.Load().http.CloseIdleConnections() }

// newTracker is the tracker of a watch that queries this Consul.
func (c *Client) newTracker(name string) *discovery.Tracker {
	t := discovery.NewTracker(c.log, name)
	t.OnOK = func() { c.answered.Store(time.Now().UnixNano()) }
	t.OnError = c.options.CountError
	return t
}
