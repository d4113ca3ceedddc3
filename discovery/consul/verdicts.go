package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// A person follows the verdicts: the first changes are read at once, then five times a second.
	verdictsBurst = 5
	verdictsEvery = 200 * time.Millisecond

	// maxVerdictsBytes bounds what lies there: 10,000 gateways, most of them without a word of why.
	maxVerdictsBytes = 16 << 20
)

// Said is the verdict of one gateway.
type Said struct {
	Instance string `json:"instance"`
	Verdict
	Index uint64 `json:"-"` // Consul's, of the write
}

// Verdicts are what the gateways that follow one key say of its documents. Nobody reads them but people's verbs.
type Verdicts struct {
	consul *Client
	folder string
}

// Verdicts gives those of a key, which may be a folder.
func (c *Client) Verdicts(key string) (*Verdicts, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return &Verdicts{consul: c, folder: ackFolder(key)}, nil
}

// All reads what is said at this moment, in the order of the instances.
func (v *Verdicts) All(ctx context.Context) ([]Said, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	r, err := v.fetch(ctx, fetchOptions{})
	if err != nil {
		return nil, v.explain(inTime(ctx, err))
	}
	return r.value, nil
}

// Follow calls tell with all that is said, and again whenever that changes, until ctx ends. It goes on after errors,
// but for one: the token may not read it. If nothing could be read, the error says why.
func (v *Verdicts) Follow(ctx context.Context, tell func([]Said)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heard := false
	w := &watch[[]Said]{
		fetch: func(ctx context.Context, o fetchOptions) (result[[]Said], error) {
			r, err := v.fetch(ctx, o)
			if Denied(err) {
				stop(err)
			}
			return r, err
		},
		same:    func(a, b []Said) bool { return slices.EqualFunc(a, b, sameWrite) },
		deliver: func(_ context.Context, r result[[]Said]) { heard = true; tell(r.value) },
		peers:   v.consul.monitor,
		wait:    v.consul.options.Wait,
		limiter: newLimiter(verdictsBurst, verdictsEvery),
		paced:   verdictsEvery,
		tracker: v.consul.newTracker(fmt.Sprintf("kv %q", v.folder)),
		woken:   make(chan struct{}, 1),
	}
	w.run(ctx)
	if cause := context.Cause(ctx); Denied(cause) {
		return v.explain(cause)
	}
	if failure := w.tracker.Status().Error; !heard && failure != "" {
		return v.explain(faultf(telemetry.DiscoveryTransport, "%s", failure))
	}
	return nil
}

func sameWrite(a, b Said) bool { return a.Instance == b.Instance && a.Index == b.Index }

func (v *Verdicts) fetch(ctx context.Context, o fetchOptions) (result[[]Said], error) {
	r := result[[]Said]{value: []Said{}}
	keys := 0
	head, err := v.consul.get(ctx, "/v1/kv/"+v.folder, url.Values{"recurse": {""}}, o, maxVerdictsBytes,
		func(_ responseHead, body io.Reader) error {
			return decodeList(body, maxKeys, func(p api.KVPair) {
				keys++
				if said, ok := v.decode(&p); ok {
					r.value = append(r.value, said)
				}
			})
		})
	r.index, r.bytes, r.absent = head.index, head.bytes, keys == 0
	if err == nil {
		err = head.whole(r.absent)
	}
	slices.SortFunc(r.value, func(a, b Said) int { return cmp.Compare(a.Instance, b.Instance) })
	return r, err
}

// decode reads one key. What no gateway holds is not ours to judge.
func (v *Verdicts) decode(p *api.KVPair) (said Said, ok bool) {
	name, below := strings.CutPrefix(p.Key, v.folder)
	if !below || name == "" || strings.Contains(name, "/") || p.Session == "" || len(p.Value) > maxVerdictBytes {
		return said, false
	}
	if err := json.Unmarshal(p.Value, &said.Verdict); err != nil || said.State == "" {
		return said, false
	}
	said.Instance, said.Index = ackInstance(name), p.ModifyIndex
	return said, true
}

func (v *Verdicts) explain(err error) error {
	r := Revisions{consul: v.consul, folder: v.folder}
	return r.explain("list", v.folder, err)
}

// Current is the pointer in the key at this moment, and the index of its write. Of a document that was put by hand it
// has the author alone; of no document, nothing.
func (r *Revisions) Current(ctx context.Context) (p Pointer, index uint64, err error) {
	pair, found, err := r.consul.readKey(ctx, r.key)
	if err != nil {
		return p, 0, r.explain("read", r.key, err)
	}
	if !found {
		return p, 0, nil
	}
	p, pointer, why := parsePointer(pair.Value)
	if !pointer || why != nil {
		p = Pointer{By: PutByHand}
	}
	return p, pair.ModifyIndex, nil
}
