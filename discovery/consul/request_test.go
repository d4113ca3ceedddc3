package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// One entry of /v1/health/service, as Consul 1.22 writes it.
const oneInstance = `[{"Node":{"Node":"n1","Address":"10.0.0.9"},"Service":{"ID":"api-1","Address":"10.0.0.1",` +
	`"Port":80,"Weights":{"Passing":1,"Warning":1}},"Checks":[]}]`

func TestHealthAnswers(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		class  telemetry.DiscoveryClass
		text   string // part of the error; empty = a good answer
	}{
		{name: "good", answer: func(w http.ResponseWriter, r *http.Request) { say(w, "7", oneInstance) }},
		{
			name: "filtered, and not even empty", class: telemetry.DiscoveryACL, text: "filtered by ACLs",
			answer: func(w http.ResponseWriter, r *http.Request) {
				say(w, "7", oneInstance, "X-Consul-Results-Filtered-By-ACLs", "true")
			},
		},
		{
			name: "empty for nobody", class: telemetry.DiscoveryACL, text: "without a token",
			answer: func(w http.ResponseWriter, r *http.Request) {
				say(w, "7", "[]", "X-Consul-Default-ACL-Policy", "deny")
			},
		},
		{
			name: "denied", class: telemetry.DiscoveryACL, text: "status 403: Permission denied",
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "Permission denied: anonymous token lacks permission\nand more", http.StatusForbidden)
			},
		},
		{
			name: "too many connections", class: telemetry.DiscoveryLimit, text: "status 429",
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "slow down",
					http.StatusTooManyRequests)
			},
		},
		{
			name: "no leader", class: telemetry.DiscoveryServer, text: "status 500: No cluster leader",
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "No cluster leader", http.StatusInternalServerError)
			},
		},
		{
			name: "moved", class: telemetry.DiscoveryServer, text: `redirect to "http://evil.example/" is not followed`,
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://evil.example/", http.StatusTemporaryRedirect)
			},
		},
		{
			name: "another server", class: telemetry.DiscoveryServer, text: "not a response of Consul",
			answer: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") },
		},
		{
			name: "another server that finds nothing", class: telemetry.DiscoveryServer,
			text:   "not a response of Consul",
			answer: func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		},
		{
			name: "not found, and yet Consul", class: telemetry.DiscoveryServer, text: "status 404",
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Consul-Index", "7")
				http.NotFound(w, r)
			},
		},
		{
			name: "an index that is none", class: telemetry.DiscoveryServer, text: `X-Consul-Index "-1"`,
			answer: func(w http.ResponseWriter, r *http.Request) { say(w, "-1", oneInstance) },
		},
		{
			name: "not JSON", class: telemetry.DiscoveryServer, text: "invalid character",
			answer: func(w http.ResponseWriter, r *http.Request) { say(w, "7", "<html>") },
		},
		{
			name: "not a list", class: telemetry.DiscoveryServer, text: "not a list",
			answer: func(w http.ResponseWriter, r *http.Request) { say(w, "7", "null") },
		},
		{
			name: "another shape", class: telemetry.DiscoveryServer, text: "cannot unmarshal",
			answer: func(w http.ResponseWriter, r *http.Request) { say(w, "7", `[{"Service":{"Port":"http"}}]`) },
		},
		{
			name: "broken off", class: telemetry.DiscoveryTransport, text: "unexpected EOF",
			answer: func(w http.ResponseWriter, r *http.Request) {
				say(w, "7", oneInstance[:40], "Content-Length", fmt.Sprint(len(oneInstance)))
			},
		},
		{
			name: "a list that does not end", class: telemetry.DiscoveryTransport, text: "EOF",
			answer: func(w http.ResponseWriter, r *http.Request) { say(w, "7", strings.TrimSuffix(oneInstance, "]")) },
		},
		{
			name: "one endless entry", class: telemetry.DiscoveryServer, text: "over the limit",
			answer: func(w http.ResponseWriter, r *http.Request) {
				say(w, "7", `[{"Node":{"Meta":{"x":"`)
				_, _ = io.Copy(w, io.LimitReader(endless{}, 3*maxElementBytes)) // until the client has enough
			},
		},
		{
			name: "too many entries", class: telemetry.DiscoveryServer, text: "more than 50000 entries",
			answer: func(w http.ResponseWriter, r *http.Request) {
				say(w, "7", "[{}"+strings.Repeat(",{}", maxInstances)+"]")
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := fakeConsul(t, row.answer)
			a, err := c.health(t.Context(), service{name: "api"}, fetchOptions{})
			if row.text == "" {
				if err != nil || len(a.value) != 1 || a.index != 7 || a.absent {
					t.Fatalf("health = %+v, %v, want one instance at index 7", a, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("health = %+v, want an error with %q", a, row.text)
			}
			if classOf(err) != row.class || !strings.Contains(err.Error(), row.text) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("health: %v %q, want %v with %q on one line", classOf(err), err, row.class, row.text)
			}
		})
	}
}

// endless is a body that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestBodyIsBounded(t *testing.T) {
	body := &bounded{r: endless{}, left: 10, element: 100}
	text, err := io.ReadAll(body)
	if len(text) != 10 || !errors.Is(err, errTooLarge) {
		t.Errorf("read %d bytes, %v, want 10 and %v", len(text), err, errTooLarge)
	}
}

// What Consul could be made to say in 32 MiB is refused within bounds of memory.
func TestLargeResponsesCostLittle(t *testing.T) {
	instance := `{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"a","Port":1},"Checks":[]}`
	for _, row := range []struct{ name, begin, part string }{
		{"instances", "[" + instance, "," + instance},
		{"blanks", "[", strings.Repeat(" ", 1<<16)},
		{"a string", `[{"Node":{"Node":"`, strings.Repeat("x", 1<<16)},
		{"checks", `[{"Checks":[{}`, strings.Repeat(",{}", 1<<14)},
		{"not a list", `{"a":"`, strings.Repeat("x", 1<<16)},
	} {
		t.Run(row.name, func(t *testing.T) {
			body := newBounded(io.MultiReader(strings.NewReader(row.begin), &repeated{part: row.part}), maxHealthBytes)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var r result[[]cluster.Instance]
			err := decodeInstances(body, false, &r)
			runtime.ReadMemStats(&after)
			if err == nil || len(r.value) > maxInstances {
				t.Errorf("%d instances, %v, want an error", len(r.value), err)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 100 {
				t.Errorf("%d MiB were allocated on the way to %v, want at most 100", n, err)
			} else {
				t.Logf("%d MiB allocated, %v", n, err)
			}
		})
	}
}

// repeated is a text without end.
type repeated struct {
	part string
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		r.rest = r.part
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestSteadyBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		start := time.Now()
		timer := time.AfterFunc(stallTimeout, func() { ended <- time.Since(start) })
		body := &steady{strings.NewReader("abc"), timer}
		for range 3 {
			<-time.After(stallTimeout - time.Second)
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := <-ended, 3*(stallTimeout-time.Second)+stallTimeout; got != want {
			t.Errorf("a body that comes in pieces was ended after %v, want %v", got, want)
		}
	})
}

func TestLargeService(t *testing.T) {
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body,
			`%c{"Node":{"Node":"n%d","Address":"10.0.0.1","Meta":{"x":"%s"}},"Service":{"ID":"a","Port":%d},`+
				`"Checks":[{"Status":"passing"}]}`,
			"[,"[min(i, 1)], i, strings.Repeat("y", 1000), i+1)
	}
	body.WriteString("]")
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) { say(w, "7", body.String()) })
	a, err := c.health(t.Context(), service{name: "api"}, fetchOptions{})
	if err != nil || len(a.value) != 5000 || a.bytes != int64(body.Len()) {
		t.Errorf("%d instances in %d bytes, %v, want 5000 in %d", len(a.value), a.bytes, err, body.Len())
	}
}

func TestQuestion(t *testing.T) {
	var last atomic.Pointer[http.Request]
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		last.Store(r)
		say(w, "7", "[]")
	}, func(o *Options) { o.Token = "secret" })
	_, err := c.health(t.Context(), service{name: "a b?c"}, fetchOptions{index: 9, wait: 2 * time.Minute, stale: true})
	if err != nil {
		t.Fatal(err)
	}
	got := last.Load()
	if want := "/v1/health/service/a%20b%3Fc?index=9&stale=&wait=120000ms"; got.RequestURI != want {
		t.Errorf("asked %s, want %s", got.RequestURI, want)
	}
	for name, want := range map[string]string{"X-Consul-Token": "secret", "User-Agent": "gateway-homebrew-go/test"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	_, err = c.health(t.Context(), service{name: "api"}, fetchOptions{})
	if got = last.Load(); err != nil || got.RequestURI != "/v1/health/service/api?consistent=" {
		t.Errorf("asked %s, %v, want the leader, at once, uncached, when it has all its data", got.RequestURI, err)
	}
}

func TestSlowBodyAndHungConnection(t *testing.T) {
	for _, row := range []struct{ name, body string }{{"a body that stops", oneInstance[:50]}, {"no answer", ""}} {
		t.Run(row.name, func(t *testing.T) {
			release := make(chan struct{})
			c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
				if row.body != "" {
					say(w, "7", row.body)
					w.(http.Flusher).Flush()
				}
				<-release
			})
			defer close(release)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.health(ctx, service{name: "api"}, fetchOptions{})
			if !errors.Is(err, context.DeadlineExceeded) || classOf(err) != telemetry.DiscoveryTransport {
				t.Errorf("health: %v, want the deadline", err)
			}
		})
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	var seen sync.Map
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.RemoteAddr, true)
		say(w, "7", oneInstance+strings.Repeat(" ", 4096)) // it does not end where we have what we need
	})
	for range 5 {
		if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("5 questions took %d connections, want 1", n)
	}
}

func TestTokenFileIsReadAgainAfter403(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Consul-Token") != "new" {
			http.Error(w, "ACL not found", http.StatusForbidden)
			return
		}
		say(w, "7", oneInstance)
	}, func(o *Options) { o.TokenFile = path })
	if err := os.WriteFile(path, []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); classOf(err) != telemetry.DiscoveryACL {
		t.Fatalf("with the old token: %v, want a 403", err)
	}
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

func TestNothingIsAskedWithoutTheTokenThatWasPromised(t *testing.T) {
	var asked atomic.Bool
	path := filepath.Join(t.TempDir(), "token")
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(true)
		say(w, "7", "[]")
	}, func(o *Options) { o.TokenFile = path })
	_, err := c.health(t.Context(), service{name: "api"}, fetchOptions{})
	if asked.Load() || classOf(err) != telemetry.DiscoveryACL || !strings.Contains(err.Error(), path) {
		t.Fatalf("health: %v (asked: %v), want an error that names %s", err, asked.Load(), path)
	}
	if err := os.WriteFile(path, []byte("late"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.health(t.Context(), service{name: "api"}, fetchOptions{}); err != nil || !asked.Load() {
		t.Errorf("once the file is there: %v (asked: %v)", err, asked.Load())
	}
}

func TestDatacenter(t *testing.T) {
	const instance = `[{"Node":{"Node":"n1","Address":"10.0.0.9","TaggedAddresses":{"wan":"192.0.2.9"}},` +
		`"Service":{"ID":"a","Port":80}}]`
	var asked atomic.Int32
	var dc atomic.Value
	c := fakeConsul(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/catalog/datacenters" {
			asked.Add(1)
			fmt.Fprint(w, `["dc1","dc2"]`)
			return
		}
		dc.Store(r.URL.Query().Get("dc"))
		if r.URL.Query().Get("dc") == "dc3" {
			w.Header().Set("X-Consul-Translate-Addresses", "true")
		}
		say(w, "7", instance)
	})
	for _, row := range []struct{ dc, want string }{
		{"", "10.0.0.9:80"}, {"dc1", "10.0.0.9:80"}, {"dc2", "192.0.2.9:80"}, {"dc3", "10.0.0.9:80"},
	} {
		a, err := c.health(t.Context(), service{name: "a", datacenter: row.dc}, fetchOptions{})
		if err != nil || len(a.value) != 1 || a.value[0].Address != row.want || dc.Load() != row.dc {
			t.Errorf("datacenter %q: %+v, %v (dc=%v), want %s", row.dc, a.value, err, dc.Load(), row.want)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times for the datacenters, want once", n)
	}
}
