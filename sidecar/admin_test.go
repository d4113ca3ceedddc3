package sidecar

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// adminFixture is a running admin port and what it shows.
type adminFixture struct {
	address string
	drains  chan struct{}
}

func startAdmin(t *testing.T, view View, o AdminOptions) adminFixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := adminFixture{address: l.Addr().String(), drains: make(chan struct{}, 8)}
	if view.Ready == nil {
		view.Ready = func() []string { return nil }
	}
	if view.Status == nil {
		view.Status = func() Status { return Status{Service: "web"} }
	}
	if view.Config == nil {
		view.Config = func() *config.Document { return nil }
	}
	if view.Explain == nil {
		view.Explain = func(route.ExplainRequest) (*route.Explanation, error) { return nil, errNoRevision }
	}
	view.Drain = func() { f.drains <- struct{}{} }
	a := NewAdmin(view, o)
	done := make(chan error, 1)
	go func() { done <- a.Serve(l) }()
	t.Cleanup(func() {
		if err := a.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

// adminAnswer is what an answer's reader looks at.
type adminAnswer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request and reads the answer.
func (f adminFixture) ask(t *testing.T, method, target string, fields ...string) adminAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.address+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return adminAnswer{answer.StatusCode, answer.Header, string(body)}
}

func documentFixture(t *testing.T) *config.Document {
	t.Helper()
	b := loadEnv(t, "GATEWAY_APP=127.0.0.1:3000")
	return config.FromBootstrap(b.Base())
}

func TestAdminAnswers(t *testing.T) {
	d := documentFixture(t)
	f := startAdmin(t, View{Config: func() *config.Document { return d }}, AdminOptions{})
	for _, row := range []struct {
		method, target string
		status         int
		kind, body     string // body: a part of it
	}{
		{"GET", "/", 200, plainText, "POST /drain"},
		{"HEAD", "/", 200, plainText, ""},
		{"GET", "/live", 200, plainText, "live"},
		{"GET", "/ready", 200, plainText, "ready"},
		{"GET", "/status", 200, jsonText, `"service": "web"`},
		{"GET", "/config", 200, yamlText, "address: 127.0.0.1:3000"},
		{"GET", "/config?format=yaml", 200, yamlText, "address: 127.0.0.1:3000"},
		{"GET", "/config?format=json", 200, jsonText, `"address": "127.0.0.1:3000"`},
		{"GET", "/config?format=toml", 400, plainText, `format "toml": neither yaml nor json`},
		{"POST", "/live", 405, plainText, ""},
		{"GET", "/drain", 405, plainText, ""},
		{"DELETE", "/config", 405, plainText, ""},
		{"GET", "/nothing", 404, plainText, ""},
		{"GET", "/debug/pprof/", 404, plainText, ""},
	} {
		got := f.ask(t, row.method, row.target)
		if got.status != row.status || got.header.Get("Content-Type") != row.kind ||
			!strings.Contains(got.body, row.body) {
			t.Errorf("%s %s: %d %s %q, want %d %s with %q", row.method, row.target,
				got.status, got.header.Get("Content-Type"), got.body, row.status, row.kind, row.body)
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be cached", row.method, row.target)
		}
	}
}

func TestAdminConfigAccept(t *testing.T) {
	d := documentFixture(t)
	f := startAdmin(t, View{Config: func() *config.Document { return d }}, AdminOptions{})
	for _, row := range []struct{ accept, want string }{
		{"*/*", yamlText},
		{"application/json", jsonText},
		{"text/html, application/json;q=0.9", jsonText},
		{"application/jsonx", yamlText},
	} {
		got := f.ask(t, "GET", "/config", "Accept: "+row.accept)
		if kind := got.header.Get("Content-Type"); kind != row.want {
			t.Errorf("Accept %q: %s, want %s", row.accept, kind, row.want)
		}
		if tag, want := got.header.Get("ETag"), `"`+d.Revision+`"`; tag != want {
			t.Errorf("ETag %s, want %s", tag, want)
		}
	}
}

func TestAdminBeforeTheFirstRevision(t *testing.T) {
	reasons := []string{"no revision serves yet", "the sidecar starts"}
	f := startAdmin(t, View{Ready: func() []string { return reasons }}, AdminOptions{})
	if got := f.ask(t, "GET", "/ready"); got.status != 503 ||
		got.body != "no revision serves yet\nthe sidecar starts\n" {
		t.Errorf("/ready: %d %q, want 503 and each reason", got.status, got.body)
	}
	if got := f.ask(t, "GET", "/config"); got.status != 503 {
		t.Errorf("/config: %d, want 503", got.status)
	}
	if got := f.ask(t, "GET", "/explain?url=http://a/"); got.status != 503 || got.body != "no revision serves yet\n" {
		t.Errorf("/explain: %d %q, want 503", got.status, got.body)
	}
	if got := f.ask(t, "GET", "/live"); got.status != 200 {
		t.Errorf("/live: %d, want 200", got.status)
	}
}

func TestAdminStatus(t *testing.T) {
	reasons := []string{"draining"}
	f := startAdmin(t, View{
		Ready: func() []string { return reasons },
		Status: func() Status {
			return Status{Version: Build{Version: "v1"}, Source: SourceConsul,
				Clusters: []cluster.Status{{Name: "app"}}}
		},
	}, AdminOptions{})
	got := f.ask(t, "GET", "/status")
	var s Status
	if err := json.Unmarshal([]byte(got.body), &s); err != nil {
		t.Fatal(err)
	}
	if s.Ready || len(s.Reasons) != 1 || s.Source != SourceConsul || s.Clusters[0].Name != "app" {
		t.Errorf("status %+v, want what the view gave, and not ready", s)
	}
	for _, empty := range []string{"listeners", "discovery", "certificates"} {
		if !strings.Contains(got.body, `"`+empty+`": []`) {
			t.Errorf("%s is not an empty list in %s", empty, got.body)
		}
	}
}

func TestAdminDrain(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{})
	if got := f.ask(t, "POST", "/drain"); got.status != 202 || got.body != "draining\n" {
		t.Errorf("POST /drain: %d %q, want 202", got.status, got.body)
	}
	if len(f.drains) != 1 {
		t.Errorf("%d drains, want 1", len(f.drains))
	}
	if got := f.ask(t, "POST", "/drain", "Origin: null"); got.status != 403 || len(f.drains) != 1 {
		t.Errorf("POST /drain of a web page: %d and %d drains, want 403 and still 1", got.status, len(f.drains))
	}
}

func TestAdminGuard(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{Listen: "Sidecar.internal:9901"})
	for _, row := range []struct {
		field string
		want  int
	}{
		{"Host: localhost", 200},
		{"Host: LOCALHOST:9901", 200},
		{"Host: 127.0.0.1:1", 200},
		{"Host: 127.0.0.2", 200},
		{"Host: [::1]:9901", 200},
		{"Host: [::1]", 200},
		{"Host: sidecar.internal:9901", 200},
		{"Host: example.com", 403},
		{"Host: localhost.example.com", 403},
		{"Host: 127.0.0.1.example.com", 403},
		{"Host: 10.0.0.1:9901", 403},
		{"Host: 0.0.0.0", 403},
		{"Origin: http://localhost", 403},
		{"Origin: null", 403},
	} {
		if got := f.ask(t, "GET", "/live", row.field); got.status != row.want {
			t.Errorf("%s: %d %q, want %d", row.field, got.status, got.body, row.want)
		}
	}
}

// Whoever reaches us at an address of ours may call us by it.
func TestAdminGuardReachedAddress(t *testing.T) {
	for _, row := range []struct {
		local, host string
		want        bool
	}{
		{"10.1.2.3:9901", "10.1.2.3:9901", true},
		{"[::ffff:10.1.2.3]:9901", "10.1.2.3:9901", true},
		{"10.1.2.3:9901", "10.1.2.4:9901", false},
		{"10.1.2.3:9901", "", true},
	} {
		at, err := net.ResolveTCPAddr("tcp", row.local)
		if err != nil {
			t.Fatal(err)
		}
		r := (&http.Request{Host: row.host}).WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey,
			net.Addr(at)))
		if got := ownHost(r, "sidecar.internal"); got != row.want {
			t.Errorf("ownHost(%q at %s) = %v, want %v", row.host, row.local, got, row.want)
		}
	}
}

func TestAdminPprof(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{Pprof: true})
	for _, target := range []string{"/debug/pprof/", "/debug/pprof/goroutine", "/debug/pprof/cmdline"} {
		if got := f.ask(t, "GET", target); got.status != 200 {
			t.Errorf("%s: %d, want 200", target, got.status)
		}
	}
	if got := f.ask(t, "GET", "/"); !strings.Contains(got.body, "/debug/pprof/") {
		t.Errorf("the index does not tell of profiles: %q", got.body)
	}
}

func TestAdminBoundsHeads(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{})
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	head := "GET /live HTTP/1.1\r\nHost: localhost\r\nX-Long: "
	// net/http reads 4 KiB more than it is told; with nothing left unread it
	// closes without a reset, so that the answer arrives.
	head += strings.Repeat("x", adminHeadBytes+4096-len(head))
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of %d bytes: %d, want 431", len(head), answer.StatusCode)
	}
}

func TestAdminServeTellsOfABrokenListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := NewAdmin(View{}, AdminOptions{}).Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve of a closed listener: %v, want %v", err, net.ErrClosed)
	}
}

func TestAdminMetrics(t *testing.T) {
	f := startAdmin(t, View{Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	})}, AdminOptions{})
	if a := f.ask(t, "GET", "/metrics"); a.status != http.StatusOK || a.body != "GET /metrics" {
		t.Errorf("GET /metrics: %d %q", a.status, a.body)
	}
	if a := f.ask(t, "POST", "/metrics"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %d", a.status)
	}
	off := startAdmin(t, View{}, AdminOptions{})
	if a := off.ask(t, "GET", "/metrics"); a.status != http.StatusNotFound || a.body != noMetrics {
		t.Errorf("GET /metrics without scrapes: %d %q", a.status, a.body)
	}
}

// Clients that hold connections to the admin port and ask nothing, or never end their question, keep nobody out.
func TestAdminPortHasAPlaceForWhoAsks(t *testing.T) {
	f := startAdmin(t, View{}, AdminOptions{})
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, sent := range []string{"", "GET /ready HT", "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		for range 3 * adminConnections {
			nc, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			if _, err := io.WriteString(nc, sent); err != nil {
				t.Fatal(err)
			}
		}
		res, err := client.Get("http://" + f.address + "/ready")
		if err != nil {
			t.Fatalf("behind clients that sent %q: %v", sent, err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("behind clients that sent %q: status %d", sent, res.StatusCode)
		}
	}
}
