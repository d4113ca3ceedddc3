package consul

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// PutByHand is the author of a document that nobody pushed.
const PutByHand = "put by hand"

// ErrConflict is that the key changed between the look at it and the write.
var ErrConflict = errors.New("somebody else changed the document meanwhile")

// Revisions are the documents of one key: the live one, and those before it. Its methods make requests to the leader,
// and may be called from any goroutine.
type Revisions struct {
	consul *Client
	key    string
	folder string
}

// Revisions gives those of a key, which is a single one and no folder.
func (c *Client) Revisions(key string) (*Revisions, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if strings.HasSuffix(key, "/") {
		return nil, fmt.Errorf("consul key %q: a folder, whose keys are put one by one (consul kv put)", key)
	}
	return &Revisions{consul: c, key: key, folder: folderOf(key)}, nil
}

// Live is what the key holds.
type Live struct {
	Pointer  Pointer       // of a document that was put by hand, only its hash and size
	Document []config.Part // nil = there is none
	ByHand   bool
	Index    uint64 // Consul's, for the write after this look; 0 = the key does not exist
	Unusable error  // why a pointer leads to no document
}

// Live reads the live document.
func (r *Revisions) Live(ctx context.Context) (Live, error) {
	pair, found, err := r.consul.readKey(ctx, r.key)
	if err != nil {
		return Live{}, r.explain("read", r.key, err)
	}
	if !found {
		return Live{}, nil
	}
	live := Live{Index: pair.ModifyIndex}
	p, pointer, why := parsePointer(pair.Value)
	switch {
	case why != nil:
		live.Unusable = why
	case pointer:
		live.Pointer = p
		live.Document, live.Unusable, err = r.consul.readDocument(ctx, &p, nil)
	default:
		live.Document, live.ByHand = []config.Part{{Data: pair.Value}}, true
		live.Pointer.By = PutByHand
		live.Pointer.setDocument(live.Document)
	}
	if err != nil {
		return Live{}, r.explain("read", r.folder, err)
	}
	return live, nil
}

// Push makes a document the live one. It writes its parts first, then what is told of it. Then comes the pointer, if
// the key is still as it was at the look. p has Rev, By, At, Note, Parent, Forced and Rollback. What is live then is
// returned.
func (r *Revisions) Push(ctx context.Context, document []config.Part, p Pointer, after Live) (Pointer, error) {
	p, err := r.archive(ctx, document, p)
	if err != nil {
		return p, err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	cas := url.Values{"cas": {strconv.FormatUint(after.Index, 10)}}
	took, err := r.write(ctx, http.MethodPut, "/v1/kv/"+r.key, cas, value)
	if err != nil && classOf(err) != telemetry.DiscoveryTransport {
		return p, r.explain("write", r.key, err)
	}
	if !took { // or it did, and we did not hear of it
		pair, _, failed := r.consul.readKey(ctx, r.key)
		switch {
		case failed == nil && bytes.Equal(pair.Value, value):
		case err != nil:
			return p, r.explain("write", r.key, err)
		default:
			return p, cmp.Or(failed, ErrConflict)
		}
	}
	return p, r.complete(ctx, document, p)
}

// complete writes parts again that somebody has pruned before the pointer to them was there. Once it is, Prune leaves
// them alone.
func (r *Revisions) complete(ctx context.Context, document []config.Part, p Pointer) error {
	for _, key := range p.Parts {
		_, found, err := r.consul.readKey(ctx, key)
		if err != nil {
			return r.explain("read", key, err)
		}
		if !found {
			_, err = r.archive(ctx, document, p)
			return err
		}
	}
	return nil
}

// writeTimeout bounds a write: servers hold one while they elect a leader.
const writeTimeout = 15 * time.Second

// write makes one request that changes something; took is false if the condition in query did not hold.
func (r *Revisions) write(
	ctx context.Context, method, path string, query url.Values, body []byte,
) (took bool, err error) {
	answer, _, err := r.consul.change(ctx, method, path, query, body)
	return err == nil && answer != "false", err
}

// inTime says of a request that ran into our deadline just that.
func inTime(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return &fault{telemetry.DiscoveryTransport, errSlow}
	}
	return err
}

// explain says what to mend where Consul did not do what was asked.
func (r *Revisions) explain(doing, key string, err error) error {
	return r.consul.explainKey(doing, key, r.folder, err)
}

// explainKey is explain for a key that belongs to a folder.
func (c *Client) explainKey(doing, key, folder string, err error) error {
	switch classOf(err) {
	case telemetry.DiscoveryACL:
		if strings.Contains(err.Error(), unknownToken) {
			return fmt.Errorf("%s key %s: Consul does not know the token (CONSUL_HTTP_TOKEN): %w", doing, key, err)
		}
		right := "write"
		if doing == "read" || doing == "list" {
			right = "read"
		}
		return fmt.Errorf("%s key %s: the token needs %s: %w", doing, key, rule("key_prefix", folder, right), err)
	case telemetry.DiscoveryTransport:
		return fmt.Errorf("%s key %s: no response from Consul at %s (CONSUL_HTTP_ADDR): %w",
			doing, key, c.link.Load().base.Host, err)
	}
	return fmt.Errorf("%s key %s: %w", doing, key, err)
}

// Registered counts the instances of a service that may be used now. Of these it also counts the ones that get
// requests as long as there are any: Consul does not call them critical.
func (c *Client) Registered(ctx context.Context, q Query) (all, healthy int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	found, err := c.health(ctx, q.service(), fetchOptions{})
	if err != nil {
		return 0, 0, inTime(ctx, err)
	}
	e, _ := endpointsOf(q, found.value)
	return len(e.Instances), usable(e.Instances), nil
}

// Denied tells whether an error is that the token lacks a right.
func Denied(err error) bool { return err != nil && classOf(err) == telemetry.DiscoveryACL }
