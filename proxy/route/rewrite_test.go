package route

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// All parts of the normalised path that fit are replaced; what comes out is a path that leads where it says.
func TestRewrite(t *testing.T) {
	for _, tt := range []struct {
		pattern, substitution, path string
		want                        string // empty: the path stays
		reply                       *LocalReply
	}{
		{`^/u/(\d+)`, "/users/$1", "/u/7/x", "/users/7/x", nil},
		{`^/u/(\d+)`, "/users/$1", "/u/x", "", nil},
		{`^/u/(\d+)$`, "/users/${1}0", "/u/7", "/users/70", nil},
		{`(a)(b)?`, "$2$1$0$$", "/a/ab", "/aa$/baab$", nil},
		{`//+`, "/", "/a//b///c", "/a/b/c", nil},
		{`^`, "/v1", "/a", "/v1/a", nil},
		{`^/u`, "", "/u", "/", nil},
		{`^/`, "", "/a/b", "/a/b", nil},
		{`^/a(.*)`, "b$1", "/a/c", "/b/c", nil},
		{`(?i)^/API`, "/", "/api/x", "//x", nil},
		{`^/(\w+)/(\w+)`, "/$2/$1", "/a/b/c", "/b/a/c", nil},
		{`-`, "", "/a/.-./b", "", ReplyPath},
		{`-`, "", "/a/-.b", "/a/.b", nil},
		{`-`, "", "/.-./b", "", ReplyPath},
		{`-`, "", "/a/%2-e./b", "", ReplyPath},
		{`F$`, "", "/a%2F", "", ReplyPath},
		{`a`, "b", "/" + strings.Repeat("a", 32), "/" + strings.Repeat("b", 32), nil},
		{`a`, "b", "/" + strings.Repeat("a", 33), "", ReplyRewritten},
		{`.*`, strings.Repeat("$0", 2000), "/" + strings.Repeat("a", 8000), "", ReplyRewritten},
		{`.*`, "$0$0$0", "/" + strings.Repeat("a", 8000), "", ReplyRewritten},
		{`^.*`, "$0$0", "/" + strings.Repeat("a", 8000),
			"/" + strings.Repeat("a", 8000) + "/" + strings.Repeat("a", 8000),
			nil},
	} {
		r, err := compileRewrite(&config.RegexRewrite{Pattern: tt.pattern, Substitution: tt.substitution})
		if err != nil {
			t.Fatal(err)
		}
		out, rewritten, reply := r.rewrite([]byte("before"), []byte(tt.path))
		if cap(out) > 4*maxRewritten {
			t.Errorf("%s to %.20s: %d bytes of memory for a path", tt.pattern, tt.substitution, cap(out))
		}
		got, _ := strings.CutPrefix(string(out), "before")
		if got != tt.want || rewritten != (tt.want != "") || reply != tt.reply {
			t.Errorf("%s to %s of %.60s: %.60q, %v, %v, want %.60q, %v", tt.pattern, tt.substitution, tt.path, got,
				rewritten, reply, tt.want, tt.reply)
		}
	}
}

// A decision that is detached keeps its path when the workspace goes on to the next request.
func TestRewriteIsDetached(t *testing.T) {
	tb := table(t, config.Route{RegexRewrite: config.RegexRewrite{Pattern: "^/u", Substitution: "/users"}}, 0)
	var w Workspace
	c := &Client{Listener: &Listener{Name: "web"}}
	var d, other Decision
	h := request(t, "GET /u/a", "")
	if r := tb.Decide(&d, h, c, begun, &w); r != nil {
		t.Fatal(r)
	}
	d.Detach()
	if r := tb.Decide(&other, request(t, "GET /u/b", ""), c, begun, &w); r != nil {
		t.Fatal(r)
	}
	if got, rewritten := d.AppendPath(nil, h); string(got) != "/users/a" || !rewritten {
		t.Errorf("path %q, %v, want /users/a", got, rewritten)
	}
}

// FuzzRewrite: whatever path a client sends, what goes upstream is one, and leads to no other place than its segments.
func FuzzRewrite(f *testing.F) {
	f.Add(`^/u/(\d+)`, "/users/$1", "/u/7")
	f.Add(`-|[.]`, "$0.", "/a-./.b%2f")
	f.Add(`(.)(.)`, "$2$1", "/a/%2e.")
	f.Fuzz(func(t *testing.T, pattern, substitution, raw string) {
		text, err := json.Marshal(map[string]any{
			"clusters": []any{map[string]any{"name": "a", "endpoints": []string{"a:1"}}},
			"routes": []any{map[string]any{"name": "a", "cluster": "a",
				"regex_rewrite": map[string]string{"pattern": pattern, "substitution": substitution}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := config.Decode(text, config.Standard())
		isPath := strings.HasPrefix(raw, "/") && !strings.Contains(raw, "?") && message.ValidTarget([]byte(raw))
		if err != nil || !isPath {
			return
		}
		path, _, ok := config.NormalPath([]byte(raw), nil)
		if !ok {
			return
		}
		r, err := compileRewrite(&doc.Routes[0].RegexRewrite)
		if err != nil {
			t.Fatal(err)
		}
		out, rewritten, _ := r.rewrite(nil, path)
		if !rewritten {
			return
		}
		normal, _, ok := config.NormalPath(out, nil)
		if out[0] != '/' || len(out) > maxRewritten || bytes.ContainsAny(out, "?# \r\n\x00") || !ok ||
			bytes.Count(normal, slash) != bytes.Count(out, slash) {
			t.Fatalf("%q by %q of %q: %q", pattern, substitution, path, out)
		}
	})
}
