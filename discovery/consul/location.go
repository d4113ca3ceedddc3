package consul

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Where the gateway runs: on the node of the agent that it speaks to.

// place is what a node of the catalog says of its place.
type place struct {
	Locality struct{ Zone string }
	Meta     struct {
		Zone string `json:"zone"`
	}
}

// zone is that of the node's locality, else that of its meta data; empty = not known.
func (p *place) zone() string {
	if p.Locality.Zone != "" {
		return p.Locality.Zone
	}
	return p.Meta.Zone
}

// Location is the place of the agent.
type Location struct {
	Node       string
	Datacenter string
	Zone       string // empty: the node has none
}

// Locate finds out where the agent is. It takes the right agent:read to be told the node's name, or a check at the
// agent that the token may read. It takes node:read to be told the zone.
func (c *Client) Locate(ctx context.Context) (Location, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	var l Location
	var err error
	if l.Datacenter, err = c.localDatacenter(ctx); err != nil {
		return l, inTime(ctx, err)
	}
	if l.Node, err = c.node(ctx); err != nil {
		return l, inTime(ctx, err)
	}
	var found struct {
		Node *place
	}
	if err := c.read(ctx, "/v1/catalog/node-services/"+l.Node, &found); err != nil {
		return l, inTime(ctx, err)
	}
	if found.Node == nil {
		return l, faultf(telemetry.DiscoveryACL, "node %s cannot be read: the token needs node:read", l.Node)
	}
	l.Zone = found.Node.zone()
	return l, nil
}

// node is the name of the agent's node. Every check of the agent tells it too, to those who may not read the agent.
func (c *Client) node(ctx context.Context) (string, error) {
	var self struct {
		Config struct{ NodeName string }
	}
	err := c.read(ctx, "/v1/agent/self", &self)
	if err == nil && self.Config.NodeName != "" {
		return self.Config.NodeName, nil
	}
	if err != nil && classOf(err) != telemetry.DiscoveryACL {
		return "", err
	}
	var checks map[string]struct{ Node string }
	if err := c.read(ctx, "/v1/agent/checks", &checks); err != nil {
		return "", err
	}
	for _, check := range checks {
		return check.Node, nil
	}
	return "", &fault{telemetry.DiscoveryACL,
		errors.New("the agent does not tell its node: the token needs agent:read")}
}

// maxLocationBytes bounds a response about the agent.
const maxLocationBytes = 4 << 20

// read makes a plain request for one JSON value.
func (c *Client) read(ctx context.Context, path string, into any) error {
	resp, _, err := c.do(ctx, path, url.Values{}, false)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return faultf(telemetry.DiscoveryServer, "status %d", resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLocationBytes)).Decode(into); err != nil {
		return bodyFault(err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxLocationBytes)) // so that the connection is used again
	return bodyFault(err)
}
