package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// rule writes a rule as a policy of Consul has it.
func rule(resource, segment, policy string) string {
	return fmt.Sprintf("%s %q { policy = %q }", resource, segment, policy)
}

// Right is one that a token may have.
type Right struct {
	Rule string // that gives it, as a policy has it

	resource, access, segment string
	session                   bool // a rule that is narrower is enough, and only a session tells
}

// rightsAtOnce is how many Consul judges in one request.
const rightsAtOnce = 64

// ReadsKey is the right to what belongs to the document of a key.
func ReadsKey(key string) Right {
	return Right{Rule: rule("key_prefix", folderOf(key), "read"), resource: "key", access: "read", segment: key}
}

// ReadsService is the right to the instances of a service.
func ReadsService(name string) Right {
	return Right{Rule: rule("service", name, "read"), resource: "service", access: "read", segment: name}
}

// ReadsNodes is the right to the nodes of all instances.
func ReadsNodes() Right {
	return Right{Rule: rule("node_prefix", "", "read"), resource: "node", access: "read"}
}

// WritesService is the right to register a service.
func WritesService(name string) Right {
	return Right{Rule: rule("service", name, "write"), resource: "service", access: "write", segment: name}
}

// WritesVerdicts are the rights to say what became of the documents of a key.
func WritesVerdicts(key, instance string) []Right {
	folder := ackFolder(key)
	return []Right{
		{
			Rule: rule("key_prefix", folder, "write"), resource: "key", access: "write",
			segment: folder + ackName(instance),
		},
		{Rule: rule("session_prefix", "", "write"), resource: "session", access: "write", session: true},
	}
}

// ErrNoACLs is that Consul lets everybody do everything.
var ErrNoACLs = errors.New("ACLs are off")

// Lacks tells which of the rights the token has not. The error may be ErrNoACLs. It changes nothing, except where the
// right to make sessions is in doubt: then it makes one and ends it.
func (c *Client) Lacks(ctx context.Context, rights []Right) ([]Right, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	var lacks []Right
	for some := range slices.Chunk(rights, rightsAtOnce) {
		allowed, err := c.authorize(ctx, some)
		if err != nil {
			return nil, inTime(ctx, err)
		}
		for i, right := range some {
			if !allowed[i] && !(right.session && c.makesSessions(ctx)) {
				lacks = append(lacks, right)
			}
		}
	}
	return lacks, nil
}

// authorize has Consul judge rights of the token, as its own page for browsers does. That needs no right.
func (c *Client) authorize(ctx context.Context, rights []Right) (allowed []bool, err error) {
	type question struct{ Resource, Access, Segment string }
	var all []question
	for _, r := range rights {
		all = append(all, question{r.resource, r.access, r.segment})
	}
	resp, _, err := c.send(ctx, http.MethodPost, "/v1/internal/acl/authorize", url.Values{}, toJSON(all), false)
	if err != nil && strings.Contains(err.Error(), "ACL support disabled") {
		return nil, ErrNoACLs
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxElementBytes))
	if err != nil {
		return nil, transportFault(err)
	}
	var answers []struct{ Allow bool }
	if err := json.Unmarshal(text, &answers); err != nil || len(answers) != len(rights) {
		return nil, faultf(telemetry.DiscoveryServer, "status %d: this Consul does not tell which rights a token has",
			resp.StatusCode)
	}
	for _, a := range answers {
		allowed = append(allowed, a.Allow)
	}
	return allowed, nil
}

// makesSessions tries whether the token may make a session at this agent.
func (c *Client) makesSessions(ctx context.Context) bool {
	id, err := c.createSession(ctx, "gateway check", ackTTL)
	if err != nil {
		return false
	}
	_ = c.destroySession(ctx, id) // else it ends by itself
	return true
}
