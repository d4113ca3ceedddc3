package consul

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// errNoSession is that Consul has no such session any more.
var errNoSession = errors.New("the session is gone")

// change makes one request that changes something. found is false for a 404.
func (c *Client) change(
	ctx context.Context, method, path string, query url.Values, body []byte,
) (answer string, found bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTimeout, errSlow)
	defer cancel()
	resp, _, err := c.send(ctx, method, path, query, body, false)
	if err != nil {
		return "", false, inTime(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	if err != nil {
		return "", false, inTime(ctx, transportFault(err))
	}
	return strings.TrimSpace(string(text)), resp.StatusCode != http.StatusNotFound, nil
}

// createSession makes a session that ends when it is not renewed for ttl, and takes with it the keys that it holds.
// Nothing else ends it: a check of the agent's node would end those of all gateways there at its restart.
func (c *Client) createSession(ctx context.Context, name string, ttl time.Duration) (id string, err error) {
	body := toJSON(map[string]any{
		"Name": name, "TTL": ttl.String(), "Behavior": "delete", "LockDelay": "0s", "NodeChecks": []string{},
	})
	answer, _, err := c.change(ctx, http.MethodPut, "/v1/session/create", url.Values{}, body)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || made.ID == "" {
		return "", faultf(telemetry.DiscoveryServer, "no session in the response %.80q", answer)
	}
	return made.ID, nil
}

// renewSession puts off the end of a session. The error may be errNoSession.
func (c *Client) renewSession(ctx context.Context, id string) error {
	_, found, err := c.change(ctx, http.MethodPut, "/v1/session/renew/"+id, url.Values{}, nil)
	if err == nil && !found {
		return errNoSession
	}
	return err
}

// destroySession ends a session, and with it the keys that it holds.
func (c *Client) destroySession(ctx context.Context, id string) error {
	_, _, err := c.change(ctx, http.MethodPut, "/v1/session/destroy/"+id, url.Values{}, nil)
	return err
}

// hold writes a key as a session's own, whoever held it before. A gateway that was killed holds its key for a while
// longer, and the one in its place has the same. The error may be errNoSession.
func (c *Client) hold(ctx context.Context, session, key string, value []byte) error {
	took, _, err := c.change(ctx, http.MethodPut, "/v1/kv/"+key, url.Values{"acquire": {session}}, value)
	if err != nil || took == "true" {
		return sessionGone(err)
	}
	type operation struct{ Verb, Key, Value, Session, Namespace, Partition string }
	of := c.link.Load().query
	step := func(verb, value, session string) any {
		return map[string]operation{"KV": {verb, key, value, session, of.Get("ns"), of.Get("partition")}}
	}
	both := toJSON([]any{
		step("delete", "", ""), step("lock", base64.StdEncoding.EncodeToString(value), session),
	})
	_, _, err = c.change(ctx, http.MethodPut, "/v1/txn", url.Values{}, both)
	return sessionGone(err)
}

// sessionGone makes errNoSession of what Consul says when a write names a session that it does not have.
func sessionGone(err error) error {
	if err != nil && strings.Contains(err.Error(), "invalid session") {
		return fmt.Errorf("%w: %w", errNoSession, err)
	}
	return err
}
