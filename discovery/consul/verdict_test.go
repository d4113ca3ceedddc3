package consul

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

func TestVerdictIsBounded(t *testing.T) {
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("routes[%d]: <wrong>", i)
	}
	long := strings.Repeat("ü", 5000)
	for _, row := range []struct {
		name    string
		reasons []string
		want    int    // reasons
		last    string // how the last one ends
	}{
		{"none", nil, 0, ""},
		{"a few", []string{"a", "b"}, 2, "b"},
		{"a long one", []string{long}, 1, "ü"},
		{"several long ones", []string{long, long, long, long, long, long, long, long, long}, 8, "and 2 more"},
		{"many", many, 247, "and 9754 more"},
		{"that are no text", []string{strings.Repeat("\xff\x00\"", 9000)}, 1, ""},
	} {
		since := time.Unix(0, 0).UTC()
		v := Verdict{
			Rev: strings.Repeat("r", 900), State: discovery.RevisionRejected, Since: since, Reasons: row.reasons,
		}
		text := v.encode()
		var got Verdict
		if err := json.Unmarshal(text, &got); err != nil || len(text) > maxVerdictBytes {
			t.Errorf("%s: %d bytes, %v", row.name, len(text), err)
		}
		if got.Reasons == nil || len(got.Reasons) != row.want || len(got.Rev) != maxNameBytes {
			t.Errorf("%s: %d reasons, want %d; a revision of %d bytes", row.name, len(got.Reasons), row.want,
				len(got.Rev))
		}
		if n := len(got.Reasons); n > 0 && (!strings.HasSuffix(got.Reasons[n-1], row.last) || !utf8.Valid(text)) {
			t.Errorf("%s: the last reason is %.80q, want %q", row.name, got.Reasons[n-1], row.last)
		}
	}
}

func TestAckKeys(t *testing.T) {
	for _, row := range []struct{ key, instance, want string }{
		{"gateway/web/config", "web-1", "gateway/web/ack/web-1"},
		{"gateway/web/", "web-1", "gateway/web.ack/web-1"},
		{"config", "web-1", "ack/web-1"},
		{"gateway/web/config", "node.dc1.example", "gateway/web/ack/node.dc1.example"},
		{"gateway/web/config", "..", "gateway/web/ack/=2E=2E"},
		{"gateway/web/config", "../../other/config", "gateway/web/ack/=2E=2E=2F.=2E=2Fother=2Fconfig"},
		{"gateway/web/config", "a=2F?x&é", "gateway/web/ack/a=3D2F=3Fx=26=C3=A9"},
	} {
		name := ackName(row.instance)
		if got := ackFolder(row.key) + name; got != row.want {
			t.Errorf("%q of %q lies at %q, want %q", row.instance, row.key, got, row.want)
		}
		if got := ackInstance(name); got != row.instance {
			t.Errorf("%q is read as %q", row.instance, got)
		}
	}
}

// Whatever an instance is called: its key lies in the folder, Consul takes it, and the name comes back.
func FuzzAckName(f *testing.F) {
	for _, name := range []string{"web-1", "..", "a/../b", "=", "=2", "=2F", "\x00\xff", ".a..b."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, instance string) {
		name := ackName(instance)
		if instance != "" && len(name) < 500 {
			if err := checkKey("gateway/web/ack/" + name); err != nil {
				t.Error(err)
			}
		}
		if strings.ContainsAny(name, "/%?# ") || strings.Contains(name, "..") {
			t.Errorf("%q has the key %q", instance, name)
		}
		if got := ackInstance(name); got != instance {
			t.Errorf("%q is read as %q", instance, got)
		}
	})
}

// Whatever lies in a key of the folder: it is passed over, or is a verdict that can be written again.
func FuzzSaid(f *testing.F) {
	f.Add([]byte(`{"rev":"r","state":"applied","since":"2026-11-29T12:00:00Z","reasons":["a"],"version":"v1"}`))
	f.Add([]byte(`{"state":""}`))
	f.Add([]byte(`{"state":7}`))
	f.Add([]byte("\x00"))
	v := &Verdicts{folder: "gateway/web/ack/"}
	f.Fuzz(func(t *testing.T, value []byte) {
		said, ok := v.decode(&api.KVPair{Key: "gateway/web/ack/one", Session: "s", Value: value})
		if !ok {
			return
		}
		if text := said.encode(); said.State == "" || len(text) > maxVerdictBytes {
			t.Errorf("%d bytes of %+v", len(text), said)
		}
	})
}
