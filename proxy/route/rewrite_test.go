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
		{`.*`, "$0$0$0", "/" + strings.Repeat("a", 8000), "", ReplyRewritten},
		{`^.*`, "$0$0", "/" + strings.Repeat("a", 8000), "/" + strings.Repeat("a", 8000) + "/" + strings.Repeat("a", 8000),
			nil},
	} {
		r, err := compileRewrite(&config.RegexRewrite{Pattern: tt.pattern, Substitution: tt.substitution})
		if err != nil {
			t.Fatal(err)
		}
		out, rewritten, reply := r.rewrite([]byte("before"), []byte(tt.path))
		got, _ := strings.CutPrefix(string(out), "before")
		if got != tt.want || rewritten != (tt.want != "") || reply != tt.reply {
			t.Errorf("%s to %s of %.60s: %.60q, %v, %v, want %.60q, %v", tt.pattern, tt.substitution, tt.path, got,
				rewritten, reply, tt.want, tt.reply)
		}
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
