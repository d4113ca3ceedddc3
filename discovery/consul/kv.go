package consul

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// Several keys are written one after the other. A folder is read as a whole, but is whole only when its writer has
	// come to rest.
	folderQuiet = 200 * time.Millisecond
	folderMost  = 2 * time.Second

	// maxKeys bounds how many keys lie under a folder, at any depth.
	maxKeys = 10_000

	// maxFolderBytes bounds what lies under a folder: a document has 8 MiB, a third more in Base64.
	maxFolderBytes = 16 << 20

	// maxKeyBytes is the longest key: Consul itself has no limit but that of a URL.
	maxKeyBytes = 1 << 10
)

// keySource is the source that follows one key, or one folder of keys.
type keySource struct {
	consul *Client
	key    string
	watch  *watch[discovery.Document]

	mu sync.Mutex
	// +checklocks:mu
	pointed discovery.Document // the last one that a pointer led to
	// +checklocks:mu
	pointedBy string // what of the pointer says which one it is
}

// Source follows the document at key. A key that ends in a slash is a folder:
// its direct children are the parts of one document.
func (c *Client) Source(key string) (discovery.Source, error) {
	s, err := c.keySource(key)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Client) keySource(key string) (*keySource, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	s := &keySource{consul: c, key: key}
	s.watch = &watch[discovery.Document]{
		fetch:   s.fetchKey,
		same:    discovery.Document.Same,
		peers:   c.monitor,
		wait:    c.options.Wait,
		limiter: newLimiter(documentBurst, documentEvery),
		tracker: c.newTracker(fmt.Sprintf("kv %q", key)),
		woken:   make(chan struct{}, 1),
	}
	if s.folder() {
		s.watch.fetch = s.fetchFolder
	}
	return s, nil
}

// checkKey refuses keys that Consul would clean, redirect or never find.
func checkKey(key string) error {
	why := ""
	switch {
	case key == "" || key == "/":
		why = "empty"
	case len(key) > maxKeyBytes:
		why = fmt.Sprintf("longer than %d bytes", maxKeyBytes)
	case strings.HasPrefix(key, "/"):
		why = "begins with a slash"
	case strings.TrimSpace(key) != key:
		why = "has a space at an end"
	case strings.Contains(key, "//"):
		why = "has an empty segment"
	case slices.ContainsFunc(strings.Split(key, "/"), func(s string) bool { return s == "." || s == ".." }):
		why = "has a segment of dots"
	default:
		return nil
	}
	return fmt.Errorf("consul key %q: %s", key, why)
}

func (s *keySource) folder() bool { return strings.HasSuffix(s.key, "/") }

func (s *keySource) Run(ctx context.Context, out chan<- discovery.Document) {
	defer s.consul.closeIdle()
	defer s.consul.monitor.enlist(s.watch)()
	if !s.folder() {
		s.watch.deliver = func(ctx context.Context, a result[discovery.Document]) { discovery.Send(ctx, out, a.value) }
		s.watch.run(ctx)
		return
	}
	states := make(chan discovery.Document)
	s.watch.deliver = func(ctx context.Context, a result[discovery.Document]) { discovery.Send(ctx, states, a.value) }
	var settling sync.WaitGroup
	defer settling.Wait()
	settling.Go(func() {
		discovery.Debounce(ctx, states, folderQuiet, folderMost,
			func(d discovery.Document) { discovery.Send(ctx, out, d) })
	})
	s.watch.run(ctx)
}

func (s *keySource) Reload() {
	s.consul.Reload()
	s.watch.restart(true, false)
}

func (s *keySource) Status() discovery.Status { return s.watch.tracker.Status() }

// fetchKey reads the one key. Without the right to it the response is 403, so a 404
// means that there is none.
func (s *keySource) fetchKey(ctx context.Context, q fetchOptions) (result[discovery.Document], error) {
	pairs, r, err := s.list(ctx, url.Values{}, q)
	if err != nil {
		return result[discovery.Document]{}, err
	}
	a := result[discovery.Document]{index: r.index, bytes: r.bytes, absent: len(pairs) == 0}
	if r.filtered {
		return a, errFiltered
	}
	if a.absent {
		a.value = discovery.Document{Source: "consul", Negative: true}
		return a, nil
	}
	p, pointer, why := parsePointer(pairs[0].Value)
	switch {
	case why != nil:
		a.value = discovery.NewRefused("consul", fmt.Errorf("%s: %w", s.key, why))
	case pointer:
		if a.value, err = s.follow(ctx, &p, q.more); err != nil {
			return a, err
		}
		a.value.Name, a.value.Rollback = p.name(), p.Rollback
		if p.Forced {
			a.value.Forced = p.At
		}
	default:
		a.value = discovery.NewDocument("consul", s.key, []config.Part{{Data: pairs[0].Value}})
	}
	a.value.Index = pairs[0].ModifyIndex
	return a, nil
}

// fetchFolder reads the folder, which Consul does as of one moment. Keys that lie
// deeper come with the response and are left out.
func (s *keySource) fetchFolder(ctx context.Context, q fetchOptions) (result[discovery.Document], error) {
	pairs, r, err := s.list(ctx, url.Values{"recurse": {""}}, q)
	if err != nil {
		return result[discovery.Document]{}, err
	}
	var parts []config.Part
	modified := uint64(0)
	for _, pair := range pairs {
		name, below := strings.CutPrefix(pair.Key, s.key)
		if !below || name == "" || strings.Contains(name, "/") {
			continue
		}
		parts = append(parts, config.Part{Name: name, Data: pair.Value})
		modified = max(modified, pair.ModifyIndex)
	}
	slices.SortFunc(parts, func(a, b config.Part) int { return cmp.Compare(a.Name, b.Name) })
	a := result[discovery.Document]{index: r.index, bytes: r.bytes, absent: len(parts) == 0}
	if err := r.whole(a.absent); err != nil {
		return a, err
	}
	if a.absent {
		a.value = discovery.Document{Source: "consul", Negative: true}
		return a, nil
	}
	a.value = discovery.NewDocument("consul", s.key, parts)
	a.value.Index = modified
	return a, nil
}

// list reads the key, or all that begin with it. A key that is not there is no error.
func (s *keySource) list(ctx context.Context, query url.Values, q fetchOptions) ([]api.KVPair, responseHead, error) {
	var pairs []api.KVPair
	most := int64(maxElementBytes)
	if s.folder() {
		most = maxFolderBytes
	}
	r, err := s.consul.get(ctx, "/v1/kv/"+s.key, query, q, most, func(_ responseHead, body io.Reader) error {
		return decodeList(body, maxKeys, func(p api.KVPair) { pairs = append(pairs, p) })
	})
	return pairs, r, err
}
