package consul

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// historyMost is how many revisions the history keeps. The live one and its parent it always keeps.
const historyMost = 20

// archived is a revision of the history, with Consul's index of the write that put it there.
type archived struct {
	Pointer
	index uint64
}

// Archive puts a document into the history, without making it live. p is as for Push.
func (r *Revisions) Archive(ctx context.Context, document []config.Part, p Pointer) error {
	_, err := r.archive(ctx, document, p)
	return err
}

// archive writes parts and meta, in this order.
func (r *Revisions) archive(ctx context.Context, document []config.Part, p Pointer) (Pointer, error) {
	text := p.setDocument(document)
	p.Version, p.Parts = pointerVersion, nil
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(text) // into memory
	if err := z.Close(); err != nil {
		return p, err
	}
	put := func(key string, value []byte) error {
		if _, err := r.write(ctx, http.MethodPut, "/v1/kv/"+key, url.Values{}, value); err != nil {
			return r.explain("write", key, err)
		}
		return nil
	}
	for part := range slices.Chunk(zipped.Bytes(), partBytes) {
		key := fmt.Sprintf("%s%s.%d", r.history(p.Rev), p.SHA256[:12], len(p.Parts))
		if err := put(key, part); err != nil {
			return p, err
		}
		p.Parts = append(p.Parts, key)
	}
	meta, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	return p, put(r.history(p.Rev)+"meta", meta)
}

// history is the folder of a revision, or with an empty name that of all.
func (r *Revisions) history(rev string) string {
	if rev == "" {
		return r.folder + "history/"
	}
	return r.folder + "history/" + rev + "/"
}

// History lists the revisions that are kept, the latest write first.
func (r *Revisions) History(ctx context.Context) ([]Pointer, error) {
	all, err := r.list(ctx)
	pointers := make([]Pointer, len(all))
	for i := range all {
		pointers[i] = all[i].Pointer
	}
	return pointers, err
}

// list reads the history in Consul's order of writes: the clocks of those who pushed may differ.
func (r *Revisions) list(ctx context.Context) ([]archived, error) {
	under := r.history("")
	var keys []string
	head, err := r.consul.get(ctx, "/v1/kv/"+under, url.Values{"keys": {""}}, fetchOptions{}, maxFolderBytes,
		func(_ responseHead, body io.Reader) error {
			return decodeList(body, maxKeys, func(key string) { keys = append(keys, key) })
		})
	if err == nil {
		err = head.whole(len(keys) == 0)
	}
	if err != nil {
		return nil, r.explain("list", under, err)
	}
	var all []archived
	for _, key := range keys {
		rev, is := strings.CutSuffix(strings.TrimPrefix(key, under), "/meta")
		if !is {
			continue
		}
		pair, found, err := r.consul.readKey(ctx, key)
		if err != nil {
			return nil, r.explain("read", key, err)
		}
		p, pointer, why := parsePointer(pair.Value)
		if found && pointer && why == nil && p.Rev == rev { // what somebody else put there is not ours to judge
			all = append(all, archived{p, pair.ModifyIndex})
		}
	}
	slices.SortFunc(all, func(a, b archived) int { return cmp.Compare(b.index, a.index) })
	return all, nil
}

// Document reads the document of a revision of the history.
func (r *Revisions) Document(ctx context.Context, p Pointer) ([]config.Part, error) {
	document, why, err := r.consul.readDocument(ctx, &p, nil)
	if err != nil {
		return nil, r.explain("read", r.history(p.Rev), err)
	}
	return document, why
}

// Prune deletes the oldest revisions of the history, never live or its parent. It returns how many. It deletes nothing
// any more once something else than live is live: that may be what is to be deleted.
func (r *Revisions) Prune(ctx context.Context, live Pointer) (int, error) {
	value, err := json.Marshal(live)
	if err != nil {
		return 0, err
	}
	all, err := r.list(ctx)
	if err != nil {
		return 0, err
	}
	pair, _, err := r.consul.readKey(ctx, r.key)
	if err != nil || !bytes.Equal(pair.Value, value) {
		return 0, err
	}
	pruned := 0
	for _, old := range all[min(historyMost, len(all)):] {
		if old.Rev == live.Rev || old.Rev == live.Parent {
			continue
		}
		err := r.remove(ctx, old.Rev, pair.ModifyIndex)
		if errors.Is(err, errOutdated) {
			break // who made something else live prunes too
		}
		if err != nil {
			return pruned, r.explain("delete", r.history(old.Rev), err)
		}
		pruned++
	}
	return pruned, nil
}

// remove deletes a revision from the history, if the live document is that of the index.
func (r *Revisions) remove(ctx context.Context, rev string, index uint64) error {
	type operation struct {
		Verb, Key, Namespace, Partition string
		Index                           uint64
	}
	of := r.consul.link.Load().query
	step := func(verb, key string) any {
		return map[string]operation{"KV": {verb, key, of.Get("ns"), of.Get("partition"), index}}
	}
	both, err := json.Marshal([]any{step("check-index", r.key), step("delete-tree", r.history(rev))})
	if err == nil {
		_, err = r.write(ctx, http.MethodPut, "/v1/txn", url.Values{}, both)
	}
	return err
}

func hashHex(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
