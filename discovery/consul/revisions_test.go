package consul

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// writer is all that a token needs to push.
const writer = `key_prefix "gateway/web/" { policy = "write" }`

// newRevisions is what a person has who may write.
func newRevisions(t *testing.T, consul *testserver.ConsulServer, addr string) *Revisions {
	t.Helper()
	token := consul.NewToken(writer).Secret
	r, err := newConsul(t, addr, func(o *Options) { o.Token = token }).Revisions(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func liveNow(t *testing.T, r *Revisions) Live {
	t.Helper()
	l, err := r.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// push makes text live, under a name, in the place of what is live.
func push(t *testing.T, r *Revisions, name, text string) Pointer {
	t.Helper()
	before := liveNow(t, r)
	p, err := r.Push(t.Context(), file(text), Pointer{Rev: name, Parent: before.Pointer.Rev, By: "me"}, before)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// file is a document of one file without a name.
func file(text string) []config.Part { return []config.Part{{Data: []byte(text)}} }

// textOf is what a document says, each file with its name if it has one.
func textOf(document []config.Part) string { return body(discovery.Document{Parts: document}) }

// names are the revisions of the history.
func names(t *testing.T, r *Revisions) (all []string) {
	t.Helper()
	list, err := r.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		all = append(all, p.Rev)
	}
	return all
}

func revisionsAreKept(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, consul.Addr())
	if l := liveNow(t, r); l.Index != 0 || l.Document != nil || l.Unusable != nil {
		t.Errorf("live %+v, want nothing", l)
	}
	if got := names(t, r); got != nil {
		t.Errorf("history %q, want none", got)
	}
	push(t, r, "a", "one")
	second := push(t, r, "b", "two")
	l := liveNow(t, r)
	if textOf(l.Document) != "two" || l.ByHand || l.Pointer.Rev != "b" || l.Pointer.Parent != "a" {
		t.Errorf("live %+v, want the second", l)
	}
	if d, err := r.Document(t.Context(), second); err != nil || textOf(d) != "two" {
		t.Errorf("document %q, %v", textOf(d), err)
	}
	if got := names(t, r); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("history %q", got)
	}
	push(t, r, "a", "one") // the order is that of the writes, not of the clocks
	if got := names(t, r); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("history %q after the first once more", got)
	}
	consul.KVPut(testKey, "three")
	if l := liveNow(t, r); !l.ByHand || textOf(l.Document) != "three" || l.Pointer.By != PutByHand {
		t.Errorf("live %+v, want what was put by hand", l)
	}
}

func aLargeDocumentHasParts(t *testing.T, consul *testserver.ConsulServer) {
	random := rand.NewChaCha8([32]byte{1})
	text := make([]byte, config.MaxDocumentBytes)
	_, _ = random.Read(text) // nothing that gzip could make smaller
	r := newRevisions(t, consul, consul.Addr())
	p := push(t, r, "large", string(text))
	if most := (len(text) + partBytes) / partBytes; len(p.Parts) < most || len(p.Parts) > maxParts {
		t.Errorf("%d parts", len(p.Parts))
	}
	if l := liveNow(t, r); textOf(l.Document) != string(text) || l.Unusable != nil {
		t.Errorf("live has %d bytes, %v, want all %d", len(textOf(l.Document)), l.Unusable, len(text))
	}
	out := gatewayOf(t, consul)
	if d := next(t, out); d.Refused != nil || d.Hash != p.SHA256 {
		t.Errorf("document %s, refused %v, want the pushed one", d.Hash, d.Refused)
	}
}

// What is listed in the history has all of its parts, and what is live is in the history, wherever a push ends.
func thePointerIsWrittenLast(t *testing.T, consul *testserver.ConsulServer) {
	random := rand.NewChaCha8([32]byte{2})
	text := make([]byte, partBytes+1)
	_, _ = random.Read(text)
	var mu sync.Mutex
	var written []string
	r := newRevisions(t, consul, between(t, consul, func(to http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPut {
				mu.Lock()
				written = append(written, strings.TrimPrefix(req.URL.Path, "/v1/kv/"))
				mu.Unlock()
			}
			to.ServeHTTP(w, req)
		}
	}))
	p := push(t, r, "large", string(text))
	if len(p.Parts) != 2 {
		t.Fatalf("%d parts, want 2", len(p.Parts))
	}
	mu.Lock()
	defer mu.Unlock()
	if want := append(p.Parts, "gateway/web/history/large/meta", testKey); !slices.Equal(written, want) {
		t.Errorf("written in the order %q, want %q", written, want)
	}
}

func thePusherThatIsLateLoses(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, consul.Addr())
	none := liveNow(t, r)
	push(t, r, "a", "one")
	for name, before := range map[string]Live{"a first document": none, "a change": liveNow(t, r)} {
		push(t, r, "theirs"+name[:3], "theirs "+name)
		_, err := r.Push(t.Context(), file("mine"), Pointer{Rev: "mine"}, before)
		if !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		if l := liveNow(t, r); textOf(l.Document) != "theirs "+name {
			t.Errorf("%s: live is %q", name, textOf(l.Document))
		}
	}
}

func theHistoryEnds(t *testing.T, consul *testserver.ConsulServer) {
	if historyMost != 20 {
		t.Errorf("the history keeps %d revisions, want 20 as the pages say", historyMost)
	}
	r := newRevisions(t, consul, consul.Addr())
	consul.KVPut("gateway/web/history/foreign/meta", `{"v":1,"rev":"../..","sha256":"`+sum+`","parts":["x"]}`)
	consul.KVPut("gateway/web/history/broken/meta", `{`)
	push(t, r, "first", "first")
	for i := range historyMost + 1 {
		push(t, r, fmt.Sprint("r", i), fmt.Sprint(i))
	}
	back := liveNow(t, r) // to the oldest, whose parent is the newest
	latest, err := r.Push(t.Context(), file("first"), Pointer{Rev: "first", Parent: "r0"}, back)
	if err != nil {
		t.Fatal(err)
	}
	stale := latest
	stale.By = "somebody else"
	if n, err := r.Prune(t.Context(), stale); err != nil || n != 0 {
		t.Errorf("pruned %d, %v, while something else is live", n, err)
	}
	if n, err := r.Prune(t.Context(), latest); err != nil || n != 1 {
		t.Errorf("pruned %d, %v, want 1: of 22 the live one, its parent and 19 others are kept", n, err)
	}
	got := names(t, r)
	if len(got) != historyMost+1 || got[0] != "first" || !slices.Contains(got, "r0") || slices.Contains(got, "r1") {
		t.Errorf("history %q", got)
	}
	if _, ok := consul.KV("gateway/web/history/foreign/meta"); !ok {
		t.Error("what is not ours was deleted")
	}
	if err := r.remove(t.Context(), "r0", back.Index); !errors.Is(err, errOutdated) {
		t.Errorf("deleted although something else is live by now: %v", err)
	}
	push(t, r, "more", "more") // of 22 one would go, if nobody interfered
	slow := newRevisions(t, consul, between(t, consul, func(to http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/v1/txn" {
				consul.KVPut(testKey, "by hand")
			}
			to.ServeHTTP(w, req)
		}
	}))
	if n, err := slow.Prune(t.Context(), liveNow(t, r).Pointer); err != nil || n != 0 {
		t.Errorf("pruned %d, %v, after somebody else has put a document", n, err)
	}
	if n := len(names(t, r)); n != historyMost+2 {
		t.Errorf("%d revisions are left", n)
	}
	if _, err := r.Push(t.Context(), file("first"), Pointer{Rev: "first", Parent: "r0"}, liveNow(t, r)); err != nil {
		t.Fatal(err)
	}
	if l := liveNow(t, r); textOf(l.Document) != "first" {
		t.Errorf("live %+v", l)
	}
}

func says(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// Many who lost against the live document have put theirs into the history after it.
func whatIsLiveStaysInTheHistory(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, consul.Addr())
	push(t, r, "before", "before")
	live := push(t, r, "live", "live")
	for i := range historyMost + 1 {
		if err := r.Archive(t.Context(), file(fmt.Sprint(i)), Pointer{Rev: fmt.Sprint("r", i), By: "me"}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := r.Prune(t.Context(), live); err != nil || n != 1 {
		t.Errorf("pruned %d, %v, want the oldest of those that lost", n, err)
	}
	got := names(t, r)
	if !slices.Contains(got, "live") || !slices.Contains(got, "before") || slices.Contains(got, "r0") {
		t.Errorf("history %q", got)
	}
}

func rightsAreNamed(t *testing.T, consul *testserver.ConsulServer) {
	with := func(rules string) *Revisions {
		token := consul.NewToken(rules).Secret
		r, err := newConsul(t, consul.Addr(), func(o *Options) { o.Token = token }).Revisions(testKey)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	read := with(`key_prefix "gateway/web/" { policy = "read" }`)
	_, err := read.Push(t.Context(), file("x"), Pointer{Rev: "a"}, liveNow(t, read))
	says(t, err, `the token needs key_prefix "gateway/web/" { policy = "write" }`)
	_, err = with(`key_prefix "gateway/other/" { policy = "write" }`).Live(t.Context())
	says(t, err, `the token needs key_prefix "gateway/web/" { policy = "read" }`)
	if !Denied(err) {
		t.Errorf("%v is not that a right is missing", err)
	}
	unknown, err := newConsul(t, consul.Addr(), func(o *Options) { o.Token = "00000000-aaaa-bbbb-cccc-000000000000" }).
		Revisions(testKey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = unknown.Live(t.Context())
	says(t, err, "Consul does not know the token (CONSUL_HTTP_TOKEN): status 403: ACL not found")
	consul.KVPut("gateway/web/history/abc/meta", whole)
	_, err = with(`key "gateway/web/config" { policy = "write" }`).History(t.Context())
	if err == nil || !Denied(err) {
		t.Errorf("history: %v, want that a right is missing", err)
	}
}

// between is a way to Consul that a test can interfere with.
func between(t *testing.T, consul *testserver.ConsulServer, through func(http.Handler) http.HandlerFunc) string {
	t.Helper()
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: consul.Addr()})
	transport := &http.Transport{}
	to.Transport = transport
	server := httptest.NewServer(through(to))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.Listener.Addr().String()
}

// A push whose response is lost was made all the same.
func theResponseIsLost(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, between(t, consul, func(to http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if !req.URL.Query().Has("cas") {
				to.ServeHTTP(w, req)
				return
			}
			to.ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler)
		}
	}))
	push(t, r, "a", "one")
	if l := liveNow(t, r); textOf(l.Document) != "one" {
		t.Errorf("live %+v", l)
	}
}

// What is pruned by somebody between the parts and the pointer is there once the pointer is.
func prunedMeanwhile(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, between(t, consul, func(to http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Has("cas") {
				consul.Call(http.MethodDelete, "/v1/kv/gateway/web/history/?recurse", nil)
			}
			to.ServeHTTP(w, req)
		}
	}))
	push(t, r, "a", "one")
	if l := liveNow(t, r); textOf(l.Document) != "one" || l.Unusable != nil {
		t.Errorf("live %+v", l)
	}
	if got := names(t, r); !slices.Equal(got, []string{"a"}) {
		t.Errorf("history %q", got)
	}
}

func TestRevisionsOfAFolder(t *testing.T) {
	_, err := newConsul(t, "127.0.0.1:1").Revisions("gateway/web/")
	says(t, err, "a folder")
}

func TestNoConsul(t *testing.T) {
	addr := testserver.Addr(t)
	r, err := newConsul(t, addr).Revisions(testKey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Live(t.Context())
	says(t, err, "no response from Consul at "+addr+" (CONSUL_HTTP_ADDR): ")
}

// gatewayOf follows the key as a gateway does.
func gatewayOf(t *testing.T, consul *testserver.ConsulServer) <-chan discovery.Document {
	t.Helper()
	return follow(t, kvSource(t, newConsul(t, consul.Addr(), func(o *Options) { o.Token = consul.Token() }), testKey))
}

func pointerIsFollowed(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, consul.Addr())
	out := gatewayOf(t, consul)
	want(t, out, "(negative)")
	first := push(t, r, "a", "one")
	if d := want(t, out, "one"); d.Hash != first.SHA256 || !d.Forced.IsZero() || d.Index == 0 ||
		d.Name != "a" {
		t.Errorf("document %+v", d)
	}
	push(t, r, "b", "two")
	want(t, out, "two")
	push(t, r, "b2", "two") // as another version of the verb calls it
	if d := want(t, out, "two"); d.Name != "b2" {
		t.Errorf("the document has the name %q", d.Name)
	}
	consul.KVPut(testKey, "by hand")
	if d := want(t, out, "by hand"); d.Name != "" {
		t.Errorf("the document has the name %q", d.Name)
	}

	both := []config.Part{{Name: "a", Data: []byte("three")}, {Name: "b", Data: []byte("four")}}
	if _, err := r.Push(t.Context(), both, Pointer{Rev: "c"}, liveNow(t, r)); err != nil {
		t.Fatal(err)
	}
	want(t, out, "a=three b=four")
	both[0].Name = "aa" // the same bytes, another document
	if _, err := r.Push(t.Context(), both, Pointer{Rev: "c"}, liveNow(t, r)); err != nil {
		t.Fatal(err)
	}
	want(t, out, "aa=three b=four")
	if l := liveNow(t, r); textOf(l.Document) != "aa=three b=four" {
		t.Errorf("live is %q", textOf(l.Document))
	}

	begun := time.Now().UTC().Truncate(time.Millisecond)
	for after := range 2 { // once more, where it is wanted once more
		at := begun.Add(time.Duration(after) * time.Second)
		p := Pointer{Rev: "b", At: at, Forced: true}
		if _, err := r.Push(t.Context(), file("two"), p, liveNow(t, r)); err != nil {
			t.Fatal(err)
		}
		if d := want(t, out, "two"); !d.Forced.Equal(at) {
			t.Errorf("forced at %v, want %v", d.Forced, at)
		}
	}
}

// A pointer that leads nowhere is refused, and taken as soon as it leads somewhere.
func partsAreMissing(t *testing.T, consul *testserver.ConsulServer) {
	r := newRevisions(t, consul, consul.Addr())
	out := gatewayOf(t, consul)
	want(t, out, "(negative)")
	first := push(t, r, "a", "one")
	want(t, out, "one")
	push(t, r, "b", "two")
	want(t, out, "two")

	pointer, _ := consul.KV("gateway/web/history/a/meta")
	part, _ := consul.KV(first.Parts[0])
	consul.KVDelete(first.Parts[0])
	consul.KVPut(testKey, pointer)
	want(t, out, "(refused) "+testKey+": pointer to a: its part "+first.Parts[0]+" is not there")
	consul.KVPut(first.Parts[0], part[:len(part)-3])
	want(t, out, "(refused) "+testKey+": pointer to a: its parts do not fit together")
	consul.KVPut(first.Parts[0], part)
	want(t, out, "one")
}
